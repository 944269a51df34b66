package local_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueRevives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		away := true
		var tries atomic.Int32 // of two jobs at the same time
		do := func(context.Context, []byte) error {
			if tries.Add(1); away {
				return errors.New("Amazon is away")
			}
			return nil
		}
		db := openFile(t, path)
		q := openQueue(t, db, nil, do)
		stop := run(t, q)
		for _, body := range []string{"a", "b"} {
			if err := q.Put(t.Context(), press(body)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(24 * time.Hour) // of the bubble
		synctest.Wait()
		letters, err := q.Dead(10)
		if err != nil || len(letters) != 2 || string(letters[0].Body) != "a" {
			t.Fatalf("dead letters %+v, %v", letters, err)
		}
		if other, err := q.Dead(10, "other"); err != nil || len(other) != 0 {
			t.Errorf("dead letters of another kind: %+v, %v", other, err)
		}

		// Put back while the queue stands still, it survives the process.
		stop()
		q = openQueue(t, db, nil, do)
		if err := q.Revive(t.Context(), letters[0].ID); err != nil || q.Depth() != 1 || q.DeadCount() != 1 {
			t.Errorf("Revive() = %v; depth %d, dead %d", err, q.Depth(), q.DeadCount())
		}
		if err := q.Revive(t.Context(), letters[0].ID); err == nil || q.DeadCount() != 1 {
			t.Errorf("Revive() of what is not dead any more = %v, dead %d", err, q.DeadCount())
		}
		q.Close()
		q = openQueue(t, db, nil, do)
		if q.Depth() != 1 || q.DeadCount() != 1 {
			t.Errorf("after reopening: depth %d, dead %d", q.Depth(), q.DeadCount())
		}

		// It is tried for as long as a new one, and then it is a dead letter again.
		before := tries.Load()
		stop = run(t, q)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if q.Depth() != 0 || q.DeadCount() != 2 || tries.Load()-before < 20 {
			t.Errorf("depth %d, dead %d after %d tries more", q.Depth(), q.DeadCount(), tries.Load()-before)
		}
		away, before = false, tries.Load()
		for _, l := range letters {
			if err := q.Revive(t.Context(), l.ID); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if q.Depth() != 0 || q.DeadCount() != 0 || tries.Load() != before+2 {
			t.Errorf("depth %d, dead %d after %d tries more; want both done at once", q.Depth(), q.DeadCount(), tries.Load()-before)
		}
		stop()
	})
}
