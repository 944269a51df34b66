package local

import (
	"context"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/refresh"
)

const (
	// tickEvery is how often the schedule runs, in real time. On AWS it is minutes; here
	// nothing is paid by the call.
	tickEvery = 5 * time.Second
	// cleanEvery is how often expired records are looked for, which reads the whole file.
	cleanEvery  = 10 * time.Minute
	cleanAtOnce = 1000
)

// schedule stands in for the scheduler: it sweeps now and then, and as soon as the
// clock was moved.
func (s *Stack) schedule(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	clean := time.NewTicker(cleanEvery)
	defer clean.Stop()
	for {
		s.sweep(ctx)
		select {
		case <-tick.C:
		case <-s.moved:
		case <-clean.C:
			s.clean(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Stack) sweep(ctx context.Context) {
	if s.box != nil {
		if err := s.box.Tick(); err != nil {
			slog.ErrorContext(ctx, "sandbox could not go on", "error", err)
		}
	}
	if _, err := s.refresh.Schedule(ctx, []byte(refresh.Task)); err != nil && ctx.Err() == nil {
		// Single devices are in the log already; they have their own next attempt.
		s.metrics.Count("SweepFailed", 1)
	}
}

func (s *Stack) clean(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := s.store.Sweep(ctx, cleanAtOnce)
		if err != nil {
			slog.ErrorContext(ctx, "expired records were not removed", "error", err)
		}
		if err != nil || n < cleanAtOnce {
			return
		}
	}
}
