package refresh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// failed counts a device that could not be refreshed. s.mu is held.
func (s *run) failed(ctx context.Context, thing string, err error) {
	s.sum.Failed++
	s.h.count("RefreshFailed", 1, "cause", cause(err))
	if s.sum.Failed <= maxErrors {
		slog.WarnContext(ctx, "token was not refreshed", "thing", thing, "error", err, "advice", lwa.Explain(err))
		s.errs = append(s.errs, fmt.Errorf("refreshing the token of %s: %w", thing, err))
	}
}

// cause is the kind of trouble, for an alarm.
func cause(err error) string {
	for _, c := range []struct {
		name string
		is   bool
	}{
		{"credentials", is[*tokens.CredentialsError](err)},
		{"sealed", is[*tokens.SealError](err)},
		{"unexpected", is[*tokens.UnexpectedError](err)},
		{"unavailable", is[*tokens.UnavailableError](err)},
	} {
		if c.is {
			return c.name
		}
	}
	return "other"
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func (s *run) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Left++
}

// over reports whether the run ends before its work does.
func (s *run) over(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum.Outage || late(ctx, s.cutoff)
}

// tell gives the summary to the metrics and the log.
func (s *run) tell(ctx context.Context) {
	sum := s.sum
	s.h.count("RefreshRefreshed", float64(sum.Refreshed))
	s.h.count("RefreshEnded", float64(sum.Ended))
	s.h.count("RefreshLeft", float64(sum.Left))
	s.h.oldestDue(sum.OldestDue)
	if sum == (Summary{}) {
		return // a run without work is no news
	}
	slog.InfoContext(ctx, "swept", "refreshed", sum.Refreshed, "ended", sum.Ended, "failed", sum.Failed,
		"left", sum.Left, "skipped", sum.Skipped, "oldest_due", sum.OldestDue, "outage", sum.Outage)
}
