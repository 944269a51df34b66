package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/restock-dev/restock/internal/store"
)

const writers = 8

// atOnce calls do in several goroutines that start together.
func atOnce(t *testing.T, do func(i int) error) (errs []error) {
	t.Helper()
	errs = make([]error, writers)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			<-gate
			errs[i] = do(i)
		})
	}
	close(gate)
	wg.Wait()
	return errs
}

// wantOne checks that exactly one of the calls succeeded and the others lost.
func wantOne(t *testing.T, what string, errs []error) (winner int) {
	t.Helper()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			winner = i
		case !errors.Is(err, store.ErrConflict):
			t.Errorf("%s at once: %v, want ErrConflict", what, err)
		}
	}
	if won != 1 {
		t.Fatalf("%s at once: %d succeeded, want 1", what, won)
	}
	return winner
}

// Of those who do the same at once, exactly one succeeds.
func oneWinner(t *testing.T, w *world) {
	for round := range 5 {
		recs := make([]*store.Message, writers)
		for i := range recs {
			recs[i] = message(fmt.Sprint("one", round))
			recs[i].Slot = fmt.Sprint("slot of writer ", i)
		}
		put := func(i int) error { return w.Put(t.Context(), recs[i]) }
		winner := wantOne(t, "creating", atOnce(t, put))
		w.wantStored(t, recs[winner])
		for i, r := range recs {
			if i != winner && r.Version != 0 {
				t.Errorf("a loser's version = %d, want 0", r.Version)
			}
			r.Version = 1
		}
		winner = wantOne(t, "changing", atOnce(t, put))
		w.wantStored(t, recs[winner])
		for _, r := range recs {
			r.Version = 2
		}
		wantOne(t, "deleting", atOnce(t, func(i int) error { return w.Delete(t.Context(), recs[i]) }))
		w.wantAbsent(t, recs[0])
	}
}

// Whoever reads, changes and writes until it succeeds loses no other's change.
func noLostUpdate(t *testing.T, w *world) {
	const times = 12
	w.put(t, message("count"))
	for _, err := range atOnce(t, func(int) error {
		for range times {
			if err := increment(t.Context(), w); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	got := w.get(t, message("count")).(*store.Message)
	if want := writers * times; got.Attempts != want || got.Version != int64(want)+1 {
		t.Errorf("counted to %d at version %d, want %d at version %d", got.Attempts, got.Version, want, want+1)
	}
}

func increment(ctx context.Context, w *world) error {
	for {
		rec := message("count")
		if err := w.Get(ctx, rec); err != nil {
			return err
		}
		rec.Attempts++
		if err := w.Put(ctx, rec); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
