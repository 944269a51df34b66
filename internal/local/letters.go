package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/web"
)

// MaxLetters is the most dead letters that are listed or put back at once.
const MaxLetters = 10_000

// kinds returns the jobs that would be messages of a queue on AWS.
func kinds(queue string) []string {
	return map[string][]string{
		deadletter.Retry:  {kindRule, kindRetry},
		deadletter.Notify: {kindNotification},
	}[queue]
}

// DeadLetters describes up to limit dead letters of a queue. The refresh queue has none:
// its schedule comes again.
func (s *Stack) DeadLetters(queue string, limit int) (deadletter.Box, error) {
	box := deadletter.Box{Queue: queue, Letters: []deadletter.Letter{}}
	all, err := s.lettersOf(queue, MaxQueue)
	if err != nil {
		return box, err
	}
	box.Count = len(all)
	now := s.clock.Now()
	for _, d := range all[:min(limit, len(all))] {
		box.Letters = append(box.Letters, describe(&d, now))
	}
	return box, nil
}

func (s *Stack) lettersOf(queue string, limit int) ([]DeadLetter, error) {
	of := kinds(queue)
	if of == nil {
		return nil, nil
	}
	return s.queue.Dead(limit, of...)
}

func describe(d *DeadLetter, now time.Time) (l deadletter.Letter) {
	if d.Kind == kindNotification {
		l = deadletter.Notification(d.Body)
		l.At = d.Stored.UTC()
	} else {
		var e message.RuleEvent
		_ = json.Unmarshal(d.Body, &e) // we wrote it
		at := d.Stored
		if e.ReceivedAt > 0 {
			at = time.UnixMilli(e.ReceivedAt)
		}
		l = deadletter.Rule(e, at, now)
	}
	l.ID, l.Attempts, l.Reason = strconv.FormatUint(d.ID, 10), d.Attempts, deadletter.Clean(d.Error)
	return l
}

// PutBack puts up to limit dead letters of a queue back, to be handled at once.
func (s *Stack) PutBack(ctx context.Context, queue string, limit int) (deadletter.Done, error) {
	done := deadletter.Done{Queue: queue}
	all, err := s.lettersOf(queue, limit)
	if err != nil {
		return done, err
	}
	back := make([]bool, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers) // so that many go to the disk in one transaction
	for i := range all {
		g.Go(func() error {
			err := s.queue.Revive(ctx, all[i].ID)
			back[i] = err == nil
			return err
		})
	}
	err = g.Wait()
	for _, ok := range back {
		if ok {
			done.PutBack++
		}
	}
	return done, err
}

func deadLetterRoutes(m *web.Mux, a administered) {
	with := func(do func(ctx context.Context, queue string, limit int) (any, error)) web.Func {
		return func(w http.ResponseWriter, r *http.Request) error {
			limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
			if err != nil || limit < 1 || limit > MaxLetters || !slices.Contains(deadletter.Queues(), r.PathValue("queue")) {
				return web.New(web.CodeBadField, fmt.Sprintf("ask for a queue that there is, and a limit of 1 to %d", MaxLetters))
			}
			answer, err := do(r.Context(), r.PathValue("queue"), limit)
			if err != nil {
				return err
			}
			return web.WriteJSON(w, http.StatusOK, answer)
		}
	}
	m.Handle("GET /dead-letters/{queue}", with(func(_ context.Context, queue string, limit int) (any, error) {
		return a.DeadLetters(queue, limit)
	}))
	m.Handle("POST /dead-letters/{queue}", with(func(ctx context.Context, queue string, limit int) (any, error) {
		return a.PutBack(ctx, queue, limit)
	}))
}

// Letters are the dead letters of the process that owns a data file.
type Letters struct{ Data string }

// List is [Stack.DeadLetters] of that process.
func (l Letters) List(ctx context.Context, queue string, limit int) (b deadletter.Box, err error) {
	return b, ask(ctx, l.Data, http.MethodGet, lettersPath(queue, limit), &b)
}

// PutBack is [Stack.PutBack] of that process.
func (l Letters) PutBack(ctx context.Context, queue string, limit int) (d deadletter.Done, err error) {
	d.Queue = queue
	return d, ask(ctx, l.Data, http.MethodPost, lettersPath(queue, limit), &d)
}

func lettersPath(queue string, limit int) string {
	return "/dead-letters/" + url.PathEscape(queue) + "?limit=" + strconv.Itoa(limit)
}
