package replenish_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// The data file keeps what a press needs: a restart loses no result, and no doubt.
func TestOnTheDataFile(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "restock.db")
	reg := w.registration()
	reg.Version = 0
	db := openBolt(w, path)
	if err := db.Put(t.Context(), reg); err != nil {
		t.Fatal(err)
	}
	w.Store = db
	want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
	w.script(drstest.RouteReplenish, drstest.DropAfter)
	w.putOff("bag", "2")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db = openBolt(w, path)
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	w.Store = db
	if r := w.done("filter", "1"); !r.Replayed || r.Outcome != message.Ordered {
		t.Errorf("after a restart: %+v, want the first result", r)
	}
	want(t, w.done("bag", "2"), message.Ordered, "ORDER_INPROGRESS")
	w.wantOrders(2)

	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := w.Rule(t.Context(), pressed("größe / 100 % ?", "3")); err != nil {
				t.Errorf("Rule() = %v", err)
			}
		})
	}
	all.Wait()
	w.wantOrders(3)
}

func openBolt(w *world, path string) *bolt.Store {
	w.Helper()
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		w.Fatal(err)
	}
	return db
}
