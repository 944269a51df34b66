package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

func registration(thing, shard string, at time.Time) *store.Registration {
	return &store.Registration{Thing: thing, Status: store.Active, DueShard: shard, DueAt: at}
}

func (w *world) wantDue(t *testing.T, shard string, before time.Time, limit int, want ...string) {
	t.Helper()
	got, err := w.Due(t.Context(), shard, before, limit)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Due(%s, start%+v, %d) = %q, %v, want %q", shard, before.Sub(start), limit, got, err, want)
	}
}

// Due lists one shard, the longest due first, up to and including the time.
func due(t *testing.T, w *world) {
	for i, thing := range []string{"c::3", "a::1", "d::4", "b::2", "e::5"} {
		w.put(t, registration(thing, "1", start.Add(time.Duration(i-2)*time.Minute)))
	}
	w.put(t, registration("x::1", "10", start.Add(-time.Hour)))
	w.put(t, registration("x::2", "0", start.Add(-time.Hour)))
	w.put(t, registration("x::3", "", start.Add(-time.Hour)))
	w.put(t, registration("x::4", "1", time.Time{}))
	w.put(t, message("in no index"))

	w.wantDue(t, "1", start, 10, "c::3", "a::1", "d::4")
	w.wantDue(t, "1", start.Truncate(time.Millisecond), 10, "c::3", "a::1", "d::4")
	w.wantDue(t, "1", start.Add(-time.Millisecond), 10, "c::3", "a::1")
	w.wantDue(t, "1", start, 2, "c::3", "a::1")
	w.wantDue(t, "1", start, 0)
	w.wantDue(t, "1", start.Add(-time.Hour), 10)
	w.wantDue(t, "1", start.Add(time.Hour), 10, "c::3", "a::1", "d::4", "b::2", "e::5")
	w.wantDue(t, "10", start, 10, "x::1")
	w.wantDue(t, "2", start, 10)
	w.wantDue(t, "", start, 10)
}

// A registration is in the index where and when it says, and only then.
func dueMoves(t *testing.T, w *world) {
	rec := registration(device, "1", start)
	w.put(t, rec)
	stale := clone(rec).(*store.Registration)

	rec.DueAt = start.Add(time.Hour)
	w.put(t, rec)
	w.wantDue(t, "1", start, 10)
	w.wantDue(t, "1", start.Add(time.Hour), 10, device)

	rec.DueShard = "2"
	w.put(t, rec)
	w.wantDue(t, "1", start.Add(time.Hour), 10)
	w.wantDue(t, "2", start.Add(time.Hour), 10, device)

	stale.DueAt = start.Add(-time.Hour)
	wantConflict(t, "Put", w.Put, stale) // a refused write moves nothing
	wantConflict(t, "Delete", w.Delete, stale)
	w.wantDue(t, "1", start, 10)
	w.wantDue(t, "2", start.Add(time.Hour), 10, device)

	rec.DueAt = time.Time{} // leaves the index, keeps its shard
	w.put(t, rec)
	w.wantStored(t, rec)
	w.wantDue(t, "2", start.Add(time.Hour), 10)

	rec.DueAt = start
	w.put(t, rec)
	w.wantDue(t, "2", start, 10, device)
	if err := w.Delete(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	w.wantDue(t, "2", start, 10)
}
