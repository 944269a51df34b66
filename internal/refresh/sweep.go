package refresh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restock-dev/restock/internal/tokens"
)

// Summary is what a run did.
type Summary struct {
	Refreshed int `json:"refreshed"` // devices with a new token
	Ended     int `json:"ended"`     // grants that turned out to have ended
	Failed    int `json:"failed"`    // devices that come again at their next attempt
	Left      int `json:"left"`      // devices known to be due, but not reached
	Skipped   int `json:"skipped"`   // shards not looked at
	Sent      int `json:"sent"`      // shards sent to the queue
	// OldestDue is how long the device that waited longest had been due, failures included.
	OldestDue time.Duration `json:"oldest_due_ns"`
	// Outage: the run stopped because nobody could be refreshed.
	Outage bool `json:"outage"`
}

// ShardError is a shard whose due devices could not be found.
type ShardError struct {
	Shard string
	Err   error
}

func (e *ShardError) Error() string {
	return fmt.Sprintf("finding due devices of shard %s: %v", e.Shard, e.Err)
}

// Unwrap returns the store's error.
func (e *ShardError) Unwrap() error { return e.Err }

// maxStuck is how many pages of devices that stay due a sweep looks behind. More of them
// are there only while nothing can be written, and then there is nothing to find.
const maxStuck = 10

// maxErrors bounds how many devices are named in one log and one error.
const maxErrors = 20

// run is one sweep.
type run struct {
	h      *Handler
	start  time.Time
	cutoff time.Time

	mu   sync.Mutex
	sum  Summary
	errs []error
}

// Sweep refreshes what is due in these shards, and tells the metrics. The error joins
// what went wrong: a *[ShardError], or the first few devices that failed.
func (h *Handler) Sweep(ctx context.Context, shards ...string) (Summary, error) {
	return h.sweep(ctx, h.cutoff(ctx), shards...)
}

func (h *Handler) sweep(ctx context.Context, cutoff time.Time, shards ...string) (Summary, error) {
	s := &run{h: h, start: h.now(), cutoff: cutoff}
	for _, shard := range shards {
		if s.over(ctx) {
			s.sum.Skipped++
		} else if err := s.shard(ctx, shard); err != nil {
			s.errs = append(s.errs, &ShardError{shard, err})
		}
	}
	s.tell(ctx)
	return s.sum, errors.Join(s.errs...)
}

// shard sweeps one shard, page by page. A thing may be found again, because an index
// lags behind or because nothing could be written: it is tried once.
func (s *run) shard(ctx context.Context, shard string) error {
	tried := map[string]bool{}
	for limit := s.h.page(); !s.over(ctx); {
		things, err := s.h.Store.Due(ctx, shard, s.start, limit)
		if err != nil {
			return err
		}
		fresh := things[:0:0]
		for _, thing := range things {
			if !tried[thing] {
				tried[thing] = true
				fresh = append(fresh, thing)
			}
		}
		s.devices(ctx, fresh)
		stuck := len(things) - len(fresh)
		if len(things) < limit || stuck > maxStuck*s.h.page() {
			return nil
		}
		limit = stuck + s.h.page()
	}
	return nil
}

// devices refreshes some devices side by side.
func (s *run) devices(ctx context.Context, things []string) {
	var g errgroup.Group
	g.SetLimit(s.h.parallel())
	for _, thing := range things {
		g.Go(func() error {
			s.device(ctx, thing)
			return nil
		})
	}
	_ = g.Wait() // the devices' errors are in s
}

func (s *run) device(ctx context.Context, thing string) {
	if s.over(ctx) {
		s.leave()
		return
	}
	due, err := s.h.Keeper.RefreshDue(ctx, thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !due.At.IsZero() {
		s.sum.OldestDue = max(s.sum.OldestDue, s.start.Sub(due.At))
	}
	var (
		ended  *tokens.GrantEndedError
		passes *tokens.UnavailableError
	)
	switch {
	case err == nil && due.Refreshed:
		s.sum.Refreshed++
	case err == nil, errors.Is(err, tokens.ErrNotRegistered):
		// The index was behind, somebody else is at it, or it waits for its next attempt.
	case errors.As(err, &ended):
		if !due.At.IsZero() {
			s.sum.Ended++
		}
	case errors.As(err, &passes) && passes.Outage:
		s.sum.Left++
		if !s.sum.Outage {
			s.sum.Outage = true
			s.errs = append(s.errs, err)
		}
	default:
		s.failed(ctx, thing, err)
	}
}
