package placed_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/placed"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

const vac = "ACME-VAC-1::SN0001"

var start = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

func open(t *testing.T) *bolt.Store {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "restock.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func wantSince(t *testing.T, s placed.Store, slot string, from time.Time, want bool) {
	t.Helper()
	if _, got, err := placed.Since(t.Context(), s, vac, slot, from); err != nil || got != want {
		t.Errorf("Since(%q, %v) = %v, %v; want %v", slot, from, got, err, want)
	}
}

func TestNewestCounts(t *testing.T) {
	s := open(t)
	wantSince(t, s, "filter", time.Time{}, false)
	for i, minutes := range []int{5, 9, 2} {
		if err := placed.Note(t.Context(), s, vac, "filter", "o"+strconv.Itoa(i), start.Add(time.Duration(minutes)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	wantSince(t, s, "filter", start, true)
	wantSince(t, s, "filter", start.Add(9*time.Minute), true)
	wantSince(t, s, "filter", start.Add(9*time.Minute+time.Millisecond), false)
	wantSince(t, s, "bag", start, false)
}

// Of one order the earliest time counts, in whatever order they come.
func TestEarliestOfOneOrder(t *testing.T) {
	for _, minutes := range [][]int{{5, 9}, {9, 5}} {
		s := open(t)
		for _, m := range minutes {
			if err := placed.Note(t.Context(), s, vac, "filter", "o1", start.Add(time.Duration(m)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		wantSince(t, s, "filter", start.Add(5*time.Minute), true)
		wantSince(t, s, "filter", start.Add(5*time.Minute+time.Millisecond), false)
	}
}

func TestNewestHasItsID(t *testing.T) {
	s := open(t)
	for minutes, id := range []string{2: "o2", 1: "o1"} {
		if id == "" {
			continue
		}
		if err := placed.Note(t.Context(), s, vac, "filter", id, start.Add(time.Duration(minutes)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if id, found, err := placed.Since(t.Context(), s, vac, "filter", start); err != nil || !found || id != "o2" {
		t.Errorf("Since() = %q, %v, %v; want o2", id, found, err)
	}
	if id, _, _ := placed.Since(t.Context(), s, vac, "filter", start.Add(time.Hour)); id != "" {
		t.Errorf("instance ID = %q where there is no order", id)
	}
}

func TestNotesAtTheSameTime(t *testing.T) {
	s := open(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			if err := placed.Note(t.Context(), s, vac, "filter", "o"+strconv.Itoa(i), start.Add(time.Duration(i)*time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantSince(t, s, "filter", start.Add(3*time.Minute), true)
}

// broken is a store that fails.
type broken struct{ get, put error }

func (b broken) Get(context.Context, store.Record) error { return b.get }
func (b broken) Put(context.Context, store.Record) error { return b.put }

func TestStoreFails(t *testing.T) {
	for name, s := range map[string]broken{
		"get": {get: store.ErrUnavailable},
		"put": {get: store.ErrNotFound, put: store.ErrUnavailable},
	} {
		if err := placed.Note(t.Context(), s, vac, "filter", "o1", start); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: Note() = %v, want the store's error", name, err)
		}
	}
	if err := placed.Note(t.Context(), broken{store.ErrNotFound, store.ErrConflict}, vac, "filter", "o1", start); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Note() = %v, want it to give up with the conflict", err)
	}
	if _, _, err := placed.Since(t.Context(), broken{get: store.ErrUnavailable}, vac, "filter", start); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Since() = %v, want the store's error", err)
	}
}
