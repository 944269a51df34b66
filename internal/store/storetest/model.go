package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/restock-dev/restock/internal/store"
)

// model compares a store with a map, over any order of calls by writers of whom some
// are late.
func model(t *testing.T, w *world) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++ // a world of its own in the same store
		m := &machine{T: rt, t: t, w: w, name: fmt.Sprint("R", round), records: map[store.Key]store.Record{}}
		rt.Repeat(map[string]func(*rapid.T){
			"get": m.get, "put": m.put, "delete": m.delete, "due": m.due, "advance": m.advance,
		})
	})
}

type machine struct {
	*rapid.T
	t       *testing.T
	w       *world
	name    string                     // of its things and shards
	records map[store.Key]store.Record // as they should be stored
	held    []store.Record             // what writers have read or written, some of it stale
}

// live returns the record that a store should have under rec's key.
func (m *machine) live(rec store.Record) store.Record {
	r, ok := m.records[rec.Key()]
	if !ok {
		return nil
	}
	if end := r.Base().ExpiresAt; !end.IsZero() && end.UnixMilli() <= m.w.clock.Now().UnixMilli() {
		return nil
	}
	return r
}

func (m *machine) version(rec store.Record) int64 {
	if r := m.live(rec); r != nil {
		return r.Base().Version
	}
	return 0
}

// pick draws a record that someone holds, or one that nobody has read yet.
func (m *machine) pick(t *rapid.T) store.Record {
	if n := len(m.held); n > 0 && rapid.IntRange(0, 2).Draw(t, "held") > 0 {
		return m.held[rapid.IntRange(0, n-1).Draw(t, "which")]
	}
	thing := fmt.Sprintf("%s::%d", m.name, rapid.IntRange(0, 2).Draw(t, "thing"))
	if rapid.Bool().Draw(t, "registration") {
		return &store.Registration{Thing: thing}
	}
	return &store.Message{Thing: thing, ID: rapid.SampledFrom([]string{"1", "1#", " "}).Draw(t, "id")}
}

func (m *machine) time(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 3).Draw(t, name+" zero") == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, name)) * 700 * time.Microsecond)
}

func (m *machine) change(t *rapid.T, rec store.Record) {
	switch r := rec.(type) {
	case *store.Registration:
		r.Reason = rapid.String().Draw(t, "reason")
		r.DueShard = rapid.SampledFrom([]string{"", m.name + "a", m.name + "ab"}).Draw(t, "shard")
		r.DueAt = m.time(t, "due")
	case *store.Message:
		r.Result.DetailCode = rapid.String().Draw(t, "text")
		r.Attempts = rapid.Int().Draw(t, "attempts")
		r.FirstSent = m.time(t, "first sent")
		r.ExpiresAt = m.time(t, "expires")
	}
}

func (m *machine) get(t *rapid.T) {
	rec := keyOnly(m.pick(t))
	err := m.w.Get(m.t.Context(), rec)
	want := m.live(rec)
	if want == nil {
		if !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Get(%v) = %v, want ErrNotFound", rec.Key(), err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Get(%v) = %v", rec.Key(), err)
	}
	if diff := gocmp.Diff(stamped(want), rec, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("Get(%v) (-want +got):\n%s", rec.Key(), diff)
	}
	m.held = append(m.held, rec)
}

func (m *machine) put(t *rapid.T) {
	rec := clone(m.pick(t))
	m.change(t, rec)
	m.write(t, "Put", rec, m.w.Put(m.t.Context(), rec), func() {
		m.records[rec.Key()] = clone(rec)
		m.held = append(m.held, rec)
	})
}

func (m *machine) delete(t *rapid.T) {
	rec := clone(m.pick(t))
	m.write(t, "Delete", rec, m.w.Delete(m.t.Context(), rec), func() { delete(m.records, rec.Key()) })
}

// write checks the outcome of a write that has just been tried; done takes it over.
func (m *machine) write(t *rapid.T, name string, rec store.Record, err error, done func()) {
	tried := rec.Base().Version
	if err == nil && name == "Put" {
		tried--
	}
	switch stored := m.version(rec); {
	case tried == stored && err != nil:
		t.Fatalf("%s(%v at version %d) = %v, want nil", name, rec.Key(), tried, err)
	case tried != stored && !errors.Is(err, store.ErrConflict):
		t.Fatalf("%s(%v at version %d) = %v, want ErrConflict: version %d is stored", name, rec.Key(), tried, err, stored)
	case err == nil:
		done()
	}
}

func (m *machine) advance(t *rapid.T) {
	m.w.clock.set(start.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, "now")) * 700 * time.Microsecond))
}

func (m *machine) due(t *rapid.T) {
	shard := m.name + rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(t, "shard")
	before := m.time(t, "before")
	limit := rapid.IntRange(0, 4).Draw(t, "limit")
	got, err := m.w.Due(m.t.Context(), shard, before, limit)
	if err != nil {
		t.Fatalf("Due() = %v", err)
	}
	var want []*store.Registration
	for _, rec := range m.records {
		r, ok := rec.(*store.Registration)
		if ok && r.DueShard == shard && !r.DueAt.IsZero() && r.DueAt.UnixMilli() <= before.UnixMilli() {
			want = append(want, r)
		}
	}
	slices.SortFunc(want, func(a, b *store.Registration) int { return cmp.Compare(a.DueAt.UnixMilli(), b.DueAt.UnixMilli()) })
	want = want[:min(limit, len(want))]
	if slices.Equal(m.times(t, shard, got), times(want)) && len(slices.Compact(slices.Sorted(slices.Values(got)))) == len(got) {
		return
	}
	t.Fatalf("Due(%s, %v, %d) = %v, due at %v, want those due at %v", shard, before, limit, got, m.times(t, shard, got), times(want))
}

// times returns when things are due: those due at one time may come in any order.
func (m *machine) times(t *rapid.T, shard string, things []string) []int64 {
	var regs []*store.Registration
	for _, thing := range things {
		r, _ := m.records[(&store.Registration{Thing: thing}).Key()].(*store.Registration)
		if r == nil || r.DueShard != shard {
			t.Fatalf("Due(%s) names %q, which is not stored there", shard, thing)
		}
		regs = append(regs, r)
	}
	return times(regs)
}

func times(regs []*store.Registration) []int64 {
	all := []int64{}
	for _, r := range regs {
		all = append(all, r.DueAt.UnixMilli())
	}
	return all
}
