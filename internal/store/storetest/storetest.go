// Package storetest is the contract of [store.Store] as tests. Every store runs it:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { … })
//	}
//
// What a store promises beyond it (a file that is damaged, a reply that is lost) is
// tested beside the store.
package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/restock-dev/restock/internal/store"
)

// Open returns a store without records that takes the time from now. It closes the
// store with t.Cleanup.
type Open func(t *testing.T, now func() time.Time) store.Store

// Run checks that the stores that open returns keep the contract.
func Run(t *testing.T, open Open) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"RoundTrip", roundTrip},
		{"OddText", oddText},
		{"OddKeys", oddKeys},
		{"NotFound", notFound},
		{"Versions", versions},
		{"WrittenWhole", writtenWhole},
		{"Delete", deletes},
		{"Expiry", expiry},
		{"ExpiryOfWriters", expiryOfWriters},
		{"Due", due},
		{"DueMoves", dueMoves},
		{"Cancelled", cancelled},
		{"OneWinner", oneWinner},
		{"NoLostUpdate", noLostUpdate},
		{"Model", model},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{clock: clock{now: start}}
			w.Store = open(t, w.clock.Now)
			tt.run(t, w)
		})
	}
}

// start has a fraction of a millisecond, as real clocks do.
var start = time.Date(2026, 1, 8, 10, 0, 0, 123456789, time.UTC)

// world is a store and the time it lives in.
type world struct {
	store.Store
	clock clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// put stores rec and checks that its version went up by one.
func (w *world) put(t testing.TB, rec store.Record) {
	t.Helper()
	before := rec.Base().Version
	if err := w.Put(t.Context(), rec); err != nil {
		t.Fatalf("Put(%v at version %d) = %v", rec.Key(), before, err)
	}
	if got := rec.Base().Version; got != before+1 {
		t.Fatalf("Put(%v) left version %d, want %d", rec.Key(), got, before+1)
	}
}

// get returns the stored record of rec's key.
func (w *world) get(t testing.TB, rec store.Record) store.Record {
	t.Helper()
	got := keyOnly(rec)
	if err := w.Get(t.Context(), got); err != nil {
		t.Fatalf("Get(%v) = %v", rec.Key(), err)
	}
	return got
}

// wantStored checks what is stored under want's key.
func (w *world) wantStored(t testing.TB, want store.Record) {
	t.Helper()
	if diff := cmp.Diff(stamped(want), w.get(t, want), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Get(%v) differs from what was Put (-want +got):\n%s", want.Key(), diff)
	}
}

func (w *world) wantAbsent(t testing.TB, rec store.Record) {
	t.Helper()
	if err := w.Get(t.Context(), keyOnly(rec)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get(%v) = %v, want ErrNotFound", rec.Key(), err)
	}
}

// wantConflict checks that a write of rec is refused and leaves rec as it was.
func wantConflict(t testing.TB, name string, write func(context.Context, store.Record) error, rec store.Record) {
	t.Helper()
	before := clone(rec)
	if err := write(t.Context(), rec); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%s(%v at version %d) = %v, want ErrConflict", name, rec.Key(), before.Base().Version, err)
	}
	if diff := cmp.Diff(before, rec); diff != "" {
		t.Errorf("%s(%v), refused, changed its record:\n%s", name, rec.Key(), diff)
	}
}
