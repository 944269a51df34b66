package storetest

import (
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

// A write succeeds at the stored version alone.
func versions(t *testing.T, w *world) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			first := filled(kind(device, "v"), "first")
			absent := clone(first)
			absent.Base().Version = 1
			wantConflict(t, "Put", w.Put, absent) // there is nothing to change
			w.wantAbsent(t, first)

			w.put(t, first)
			again := filled(kind(device, "v"), "again")
			wantConflict(t, "Put", w.Put, again) // created twice
			w.wantStored(t, first)

			ahead := clone(first)
			ahead.Base().Version = 2
			wantConflict(t, "Put", w.Put, ahead)

			stale := clone(first)
			second := filled(kind(device, "v"), "second")
			second.Base().Version = 1
			w.put(t, second)
			wantConflict(t, "Put", w.Put, stale)
			w.wantStored(t, second)
			for range 3 {
				w.put(t, second)
			}
			w.wantStored(t, second)
		})
	}
}

// A record that is written again has nothing of what it had before.
func writtenWhole(t *testing.T, w *world) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			full := filled(kind(device, "w"), "old")
			full.Base().ExpiresAt = start.Add(time.Hour)
			w.put(t, full)
			bare := kind(device, "w")
			bare.Base().Version = 1
			w.put(t, bare)
			w.wantStored(t, bare)
			w.clock.set(start.Add(2 * time.Hour)) // its expiry is gone too
			w.wantStored(t, bare)
			w.clock.set(start)
		})
	}
}

func deletes(t *testing.T, w *world) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			rec := filled(kind(device, "d"), "text")
			if err := w.Delete(t.Context(), clone(rec)); err != nil {
				t.Errorf("Delete(at version 0, nothing there) = %v, want nil: it is as it should be", err)
			}
			w.put(t, rec)
			stale := clone(rec)
			w.put(t, rec)
			wantConflict(t, "Delete", w.Delete, stale)
			never := clone(rec)
			never.Base().Version = 0
			wantConflict(t, "Delete", w.Delete, never)
			w.wantStored(t, rec)

			if err := w.Delete(t.Context(), clone(rec)); err != nil {
				t.Fatalf("Delete() = %v", err)
			}
			w.wantAbsent(t, rec)
			wantConflict(t, "Delete", w.Delete, clone(rec)) // somebody else was faster
			wantConflict(t, "Put", w.Put, clone(rec))

			anew := filled(kind(device, "d"), "anew")
			w.put(t, anew)
			w.wantStored(t, anew)
		})
	}
}

// A record ends at its ExpiresAt, to the millisecond.
func expiry(t *testing.T, w *world) {
	end := start.Add(10 * time.Minute).Truncate(time.Millisecond)
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			w.clock.set(start)
			rec := filled(kind(device, "e"), "old")
			rec.Base().ExpiresAt = end.Add(999 * time.Microsecond) // is cut off
			w.put(t, rec)
			w.clock.set(end.Add(-time.Nanosecond))
			w.wantStored(t, rec)
			w.clock.set(end)
			w.wantAbsent(t, rec)

			anew := kind(device, "e") // as if there had never been one
			anew.Base().ExpiresAt = end.Add(time.Minute)
			w.put(t, anew)
			if anew.Base().Version != 1 {
				t.Errorf("version = %d, want 1", anew.Base().Version)
			}
			w.wantStored(t, anew)
		})
	}
}

// Who read a record before it expired can't write it after.
func expiryOfWriters(t *testing.T, w *world) {
	rec := message("late")
	rec.ExpiresAt = start.Add(time.Minute)
	w.put(t, rec)
	w.clock.advance(2 * time.Minute)
	longer := clone(rec).(*store.Message)
	longer.ExpiresAt = start.Add(time.Hour)
	wantConflict(t, "Put", w.Put, longer)
	wantConflict(t, "Delete", w.Delete, clone(rec))
	w.wantAbsent(t, rec)
	never := message("late")
	if err := w.Delete(t.Context(), never); err != nil {
		t.Errorf("Delete(at version 0, expired) = %v, want nil", err)
	}
	w.clock.set(start) // it is gone, not just hidden
	w.wantAbsent(t, rec)
}
