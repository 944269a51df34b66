package tokens_test

import (
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/internal/tokens"
)

// The same fleet over a store with a file.
func TestOneRefreshForTheFleetOnBolt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		db, err := bolt.Open(filepath.Join(t.TempDir(), "restock.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
		r := w.pair(device, -time.Minute)
		r.Version = 0
		if err := db.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.lwa.answer = func(n int, _ url.Values) reply {
			r := rotated(n)
			r.delay = 3 * time.Second
			return r
		}
		var wg sync.WaitGroup
		for range 8 {
			k := w.keeper(func(k *tokens.Keeper) { k.Store = db })
			for range 100 {
				wg.Go(func() {
					r := &store.Registration{Thing: device}
					if err := db.Get(t.Context(), r); err != nil {
						t.Error(err)
					}
					got, err := k.AccessToken(t.Context(), r)
					wantToken(t, got, err, "Atza|canary-1")
				})
			}
		}
		wg.Wait()
		if n := w.lwa.count(); n != 1 {
			t.Errorf("%d calls to LWA, want 1", n)
		}
	})
}
