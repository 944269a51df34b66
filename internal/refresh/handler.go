// Package refresh is the refresh function: it keeps the tokens of the fleet fresh, so
// that a press need not wait for Login with Amazon.
//
// A [Handler] is called in two ways. The schedule sends {"task":"refresh"}: the handler
// sweeps every shard of the due index itself or, with a Fanout, sends one message for
// each shard that has work. The queue brings these messages, {"shard":"3"}, back.
//
// A sweep finishes: what goes wrong with one device is logged, counted and joined, and
// that device comes again at its next-attempt time, while the others proceed. It stops
// early in two cases, and leaves the rest to the next run: before the function's time is
// up, and while LWA is failing for everybody.
package refresh

import (
	"context"
	"time"

	"github.com/restock-dev/restock/internal/tokens"
)

// Keeper is what the handler needs of [tokens.Keeper].
type Keeper interface {
	RefreshDue(ctx context.Context, thing string) (tokens.Due, error)
}

// Store is what the handler needs of the store.
type Store interface {
	Due(ctx context.Context, shard string, before time.Time, limit int) ([]string, error)
}

// Fanout sends messages to the refresh queue, each body one message, in any order. On
// an error, any of them may have been sent.
type Fanout interface {
	Send(ctx context.Context, bodies []string) error
}

// Metrics counts, and measures durations. Dimensions are names and values in turn.
type Metrics interface {
	Count(name string, n float64, dimensions ...string)
	Seconds(name string, d time.Duration, dimensions ...string)
}

// Handler is the refresh function. Keeper and Store are required.
type Handler struct {
	Keeper Keeper
	Store  Store
	// Fanout spreads the shards over many invocations; nil: all in this one.
	Fanout  Fanout
	Metrics Metrics // nil: nobody measures
	Now     func() time.Time
	// Shards of the due index, as the Keeper has them; 0: 16. With fewer than before, the
	// devices of the shards beyond are not swept until a press has refreshed them.
	Shards int
	// Margin: that long before the deadline of the context no refresh is begun any more;
	// 0: 12 s, what one needs that LWA does not answer. It is never more than half of the time.
	Margin time.Duration
	// Parallel is how many devices are refreshed at the same time; 0: 10.
	Parallel int
	// Page is how many due devices are asked for at once; 0: 100.
	Page int
}

const (
	defaultShards   = 16
	defaultMargin   = 12 * time.Second
	defaultParallel = 10
	defaultPage     = 100
)

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

func (h *Handler) shards() int   { return orDefault(h.Shards, defaultShards) }
func (h *Handler) parallel() int { return orDefault(h.Parallel, defaultParallel) }
func (h *Handler) page() int     { return orDefault(h.Page, defaultPage) }

func (h *Handler) count(name string, n float64, dimensions ...string) {
	if h.Metrics != nil {
		h.Metrics.Count(name, n, dimensions...)
	}
}

func (h *Handler) oldestDue(d time.Duration) {
	if h.Metrics != nil {
		h.Metrics.Seconds("RefreshOldestDueSeconds", d)
	}
}

// cutoff is when the last refresh may begin: Margin before the deadline of ctx, or, with a
// deadline that is near already, after half of the time. Zero: any time. Deadlines are
// on the real clock, whatever h.Now says.
func (h *Handler) cutoff(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return deadline.Add(-min(orDefault(h.Margin, defaultMargin), time.Until(deadline)/2))
}

// late reports whether it is too late to begin anything.
func late(ctx context.Context, cutoff time.Time) bool {
	return ctx.Err() != nil || !cutoff.IsZero() && time.Until(cutoff) <= 0
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}
