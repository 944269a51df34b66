package bolt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

func TestThings(t *testing.T) {
	now := time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)
	s := open(t, newPath(t), bolt.Options{Now: func() time.Time { return now }})
	for _, thing := range []string{"B::1", "A::1", "A::10", "A:2B::1", "C::3"} {
		put(t, s, &store.Registration{Thing: thing}, &store.Message{Thing: thing, ID: "1"}, &store.Order{Thing: thing, InstanceID: "1"})
	}
	put(t, s,
		&store.Message{Thing: "A::2", ID: "of an unregistered thing"}, &store.Login{StateHash: "ab"}, &store.Pairing{ID: "ab"},
		&store.Registration{Thing: "B::2", Meta: store.Meta{ExpiresAt: now}},
	)
	all := []string{"A::1", "A::10", "A:2B::1", "B::1", "C::3"}
	slices.Sort(all)
	tests := []struct {
		after string
		limit int
		want  []string
	}{
		{"", 10, all},
		{"", 0, nil},
		{"", 2, all[:2]},
		{all[1], 2, all[2:4]},
		{"A::1", 10, all[slices.Index(all, "A::1")+1:]},
		{"A::2", 10, all[3:]}, // need not be registered
		{all[4], 10, nil},
		{"ZZZ", 10, nil},
	}
	for _, tt := range tests {
		if got, err := s.Things(t.Context(), tt.after, tt.limit); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("Things(%q, %d) = %q, %v, want %q", tt.after, tt.limit, got, err, tt.want)
		}
	}
}

func TestSweep(t *testing.T) {
	now := time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)
	s := open(t, newPath(t), bolt.Options{Now: func() time.Time { return now }})
	start := now
	rec := func(i int) *store.Message { return &store.Message{Thing: "A::1", ID: fmt.Sprint(i)} }
	for i := range 10 { // 0 never expires, 9 last
		m := rec(i)
		if i > 0 {
			m.ExpiresAt = start.Add(time.Duration(i) * time.Minute)
		}
		put(t, s, m)
	}
	longer := rec(1) // written again with a later end
	longer.Version, longer.ExpiresAt = 1, start.Add(time.Hour)
	put(t, s, longer)

	sweep := func(limit, want int) {
		t.Helper()
		if got, err := s.Sweep(t.Context(), limit); err != nil || got != want {
			t.Errorf("Sweep(%d) = %d, %v, want %d", limit, got, err, want)
		}
	}
	sweep(100, 0)
	now = start.Add(5 * time.Minute) // 2, 3, 4 and 5 are over
	sweep(3, 3)
	sweep(3, 1)
	sweep(3, 0)
	now = start // they are gone, and not just hidden
	for i := range 10 {
		err := s.Get(t.Context(), rec(i))
		if gone := 2 <= i && i <= 5; gone && !errors.Is(err, store.ErrNotFound) || !gone && err != nil {
			t.Errorf("Get(%d) = %v, gone: %v", i, err, gone)
		}
	}
	if err := s.Put(t.Context(), rec(3)); err != nil {
		t.Errorf("Put() in the place of a swept record = %v", err)
	}
	now = start.Add(2 * time.Hour)
	sweep(100, 5) // 1 and 6 to 9
}
