package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/store"
)

type handler = func(context.Context, []byte) error

func openFile(t *testing.T, path string) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openQueue(t *testing.T, db *bbolt.DB, now func() time.Time, h handler) *local.Queue {
	t.Helper()
	q, err := local.OpenQueue(db, now, map[string]local.Handler{"press": func(ctx context.Context, j local.Job) error { return h(ctx, j.Body) }})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// run runs q until the returned function is called, or the test ends.
func run(t *testing.T, q *local.Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { q.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait(); q.Close() })
	t.Cleanup(stop)
	return stop
}

func press(text string) local.Job { return local.Job{Kind: "press", Body: []byte(text)} }

func TestQueueHandlesOnce(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	q := openQueue(t, openFile(t, filepath.Join(t.TempDir(), "q")), nil, func(_ context.Context, body []byte) error {
		mu.Lock()
		defer mu.Unlock()
		seen[string(body)]++
		return nil
	})
	run(t, q)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if err := q.Put(t.Context(), press(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	until(t, "the queue to be empty", func() bool { return q.Depth() == 0 })
	if len(seen) != 100 {
		t.Errorf("%d jobs were handled, want 100", len(seen))
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("job %s was handled %d times", body, n)
		}
	}
}

// A process that is killed leaves its file as it is: a copy of the file stands for that.
func TestQueueSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	killed, next := filepath.Join(dir, "killed"), filepath.Join(dir, "next")
	begun := make(chan struct{}, 1)
	q := openQueue(t, openFile(t, killed), nil, func(ctx context.Context, _ []byte) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	run(t, q)
	if err := q.Put(t.Context(), press("a")); err != nil {
		t.Fatal(err)
	}
	receive(t, "the handler to begin", begun)
	file, err := os.ReadFile(killed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(next, file, 0o600); err != nil {
		t.Fatal(err)
	}

	bodies := make(chan string, 1)
	q = openQueue(t, openFile(t, next), nil, func(_ context.Context, body []byte) error {
		bodies <- string(body)
		return nil
	})
	if q.Depth() != 1 {
		t.Errorf("depth after the kill = %d, want 1", q.Depth())
	}
	run(t, q)
	if got := receive(t, "the job", bodies); got != "a" {
		t.Errorf("handled %q, want a", got)
	}
}

func TestQueueStopLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	begun := make(chan struct{}, 1)
	db := openFile(t, path)
	q := openQueue(t, db, nil, func(ctx context.Context, _ []byte) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	stop := run(t, q)
	if err := q.Put(t.Context(), press("a")); err != nil {
		t.Fatal(err)
	}
	receive(t, "the handler to begin", begun)
	stop()
	q = openQueue(t, db, nil, nil)
	defer q.Close()
	if q.Depth() != 1 {
		t.Errorf("depth after the stop = %d, want 1", q.Depth())
	}
}

func TestQueueRetriesForHours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		db := openFile(t, path)
		q := openQueue(t, db, nil, func(context.Context, []byte) error {
			at = append(at, time.Since(start))
			if len(at) == 2 {
				panic("a handler's bug")
			}
			return errors.New("Amazon is away")
		})
		stop := run(t, q)
		if err := q.Put(t.Context(), press("a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour) // of the bubble
		synctest.Wait()
		if q.Depth() != 0 || q.DeadCount() != 1 {
			t.Errorf("depth %d, dead %d; want 0 and 1", q.Depth(), q.DeadCount())
		}
		if at[0] != 0 {
			t.Errorf("first attempt after %v, want none", at[0])
		}
		for i := 1; i < len(at); i++ {
			longest := min(10*time.Minute, time.Second<<min(i-1, 20))
			if gap := at[i] - at[i-1]; gap < longest/2 || gap > longest {
				t.Errorf("gap %d = %v, want %v to %v", i, gap, longest/2, longest)
			}
		}
		if last := at[len(at)-1]; last < 3*time.Hour || last > 7*time.Hour {
			t.Errorf("given up after %v, want hours", last)
		}
		stop()

		q = openQueue(t, db, nil, nil)
		defer q.Close()
		letters, err := q.Dead(10)
		if err != nil || q.DeadCount() != 1 || len(letters) != 1 {
			t.Fatalf("dead letters after reopening: %v, %v", letters, err)
		}
		if l := letters[0]; l.Kind != "press" || l.Attempts != len(at) || l.Error != "Amazon is away" {
			t.Errorf("dead letter %+v after %d attempts", l, len(at))
		}
	})
}

func TestQueueAfterRestartKeepsItsGaps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		var tries int
		fail := func(context.Context, []byte) error { tries++; return errors.New("no") }
		db := openFile(t, path)
		q := openQueue(t, db, nil, fail)
		stop := run(t, q)
		if err := q.Put(t.Context(), press("a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		stop()
		before := tries
		q = openQueue(t, db, nil, fail)
		run(t, q)
		time.Sleep(time.Minute)
		synctest.Wait()
		if tries > before+1 {
			t.Errorf("%d tries in the minute after a restart, want 1 at most: the gaps have grown to minutes", tries-before)
		}
	})
}

func TestQueuePutLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		start, handled := time.Now(), make(chan time.Duration, 1)
		q := openQueue(t, openFile(t, path), nil, func(context.Context, []byte) error {
			handled <- time.Since(start)
			return nil
		})
		run(t, q)
		if err := q.PutLater(t.Context(), press("a")); err != nil {
			t.Fatal(err)
		}
		if after := <-handled; after < 500*time.Millisecond || after > time.Second {
			t.Errorf("handled after %v, want the first gap", after)
		}
	})
}

func TestQueueFollowsTheClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		var offset time.Duration
		tries := 0
		q := openQueue(t, openFile(t, path), func() time.Time { return time.Now().Add(offset) }, func(context.Context, []byte) error {
			if tries++; tries < 20 {
				return errors.New("no")
			}
			return nil
		})
		run(t, q)
		if err := q.Put(t.Context(), press("a")); err != nil {
			t.Fatal(err)
		}
		for range 19 {
			synctest.Wait()
			offset += time.Hour
			q.Wake()
		}
		synctest.Wait()
		if tries != 20 || q.Depth() != 0 {
			t.Errorf("%d tries, depth %d; want 20 and 0: the clock was moved, no time passed", tries, q.Depth())
		}
	})
}

func TestQueueRefuses(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "q"))
	q := openQueue(t, db, nil, nil)
	if err := q.Put(t.Context(), local.Job{Kind: "other"}); err == nil {
		t.Error("a job that nobody can handle was taken")
	}
	all := make(chan error)
	for range local.MaxQueue {
		go func() { all <- q.Put(t.Context(), press("a")) }()
	}
	for range local.MaxQueue {
		if err := <-all; err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Put(t.Context(), press("one more")); !errors.Is(err, local.ErrQueueFull) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put into a full queue = %v, want ErrQueueFull, which is unavailable", err)
	}
	q.Close()
}

func TestQueueClosed(t *testing.T) {
	q := openQueue(t, openFile(t, filepath.Join(t.TempDir(), "q")), nil, nil)
	q.Close()
	if err := q.Put(t.Context(), press("a")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put into a closed queue = %v, want unavailable", err)
	}
}

func TestQueueDiskFails(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "q"))
	q := openQueue(t, db, nil, nil)
	defer q.Close()
	if err := db.Close(); err != nil { // from here every transaction fails
		t.Fatal(err)
	}
	if err := q.Put(t.Context(), press("a")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put with a failing disk = %v, want unavailable", err)
	}
	if q.Depth() != 0 {
		t.Error("a job that is not on disk counts")
	}
}

// A job of a kind that only a newer version knows stays, and blocks nothing.
func TestQueueUnknownKind(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "q"))
	newer, err := local.OpenQueue(db, nil, map[string]local.Handler{"newer": nil})
	if err != nil {
		t.Fatal(err)
	}
	if err := newer.Put(t.Context(), local.Job{Kind: "newer", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	newer.Close()
	handled := make(chan string, 1)
	q := openQueue(t, db, nil, func(_ context.Context, body []byte) error { handled <- string(body); return nil })
	run(t, q)
	if err := q.Put(t.Context(), press("a")); err != nil {
		t.Fatal(err)
	}
	receive(t, "the known job", handled)
	until(t, "one job to be left", func() bool { return q.Depth() == 1 })
}

func TestQueueDamaged(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "q"))
	openQueue(t, db, nil, nil).Close()
	err := db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("local/queue")).Put([]byte("12345678"), []byte("not an entry"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := local.OpenQueue(db, nil, nil); err == nil {
		t.Error("a damaged entry was passed over")
	}
}

// A job that can't be read just now is handled once it can be.
func TestQueueReadsAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		db, handled := openFile(t, path), 0
		q := openQueue(t, db, nil, func(context.Context, []byte) error { handled++; return nil })
		if err := q.Put(t.Context(), press("a")); err != nil {
			t.Fatal(err)
		}
		entry := func(change func(was []byte) []byte) (was []byte) {
			err := db.Update(func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte("local/queue"))
				key, text := b.Cursor().First()
				was = bytes.Clone(text)
				return b.Put(bytes.Clone(key), change(was))
			})
			if err != nil {
				t.Fatal(err)
			}
			return was
		}
		good := entry(func([]byte) []byte { return []byte("not an entry") })
		run(t, q)
		synctest.Wait()
		if handled != 0 || q.Depth() != 1 {
			t.Errorf("while it can't be read: handled %d times, depth %d; want 0 and 1", handled, q.Depth())
		}
		entry(func([]byte) []byte { return good })
		time.Sleep(time.Minute) // of the bubble
		synctest.Wait()
		if handled != 1 || q.Depth() != 0 {
			t.Errorf("when it can be read again: handled %d times, depth %d; want 1 and 0", handled, q.Depth())
		}
	})
}

func TestQueueTellsAttempts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		var tries []int
		q, err := local.OpenQueue(openFile(t, path), nil, map[string]local.Handler{"press": func(_ context.Context, j local.Job) error {
			if tries = append(tries, j.Attempts); j.Attempts > 0 {
				return local.ErrAgain
			}
			return errors.New("Amazon is away")
		}})
		if err != nil {
			t.Fatal(err)
		}
		run(t, q)
		if err := q.Put(t.Context(), press("a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour) // of the bubble
		synctest.Wait()
		for i, n := range tries {
			if n != i {
				t.Errorf("try %d was told of %d before", i, n)
			}
		}
		if letters, err := q.Dead(1); err != nil || len(letters) != 1 || letters[0].Error != "Amazon is away" {
			t.Errorf("dead letters %+v, %v; want the cause that was given", letters, err)
		}
	})
}

// A sender who can't come again waits a little for room in the queue.
func TestQueueDelivers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, openFile(t, path), nil, func(context.Context, []byte) error { return nil })
		var all sync.WaitGroup
		for range local.MaxQueue {
			all.Go(func() {
				if err := q.Put(t.Context(), press("a")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		began := time.Now()
		if err := q.Deliver(t.Context(), press("too many")); !errors.Is(err, local.ErrQueueFull) {
			t.Errorf("Deliver() into a queue that stays full = %v, want ErrQueueFull", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it was given up after %v, want 3s at most", took)
		}
		delivered := make(chan error, 1)
		go func() { delivered <- q.Deliver(t.Context(), press("in time")) }()
		synctest.Wait() // it has met the full queue
		run(t, q)
		if err := <-delivered; err != nil {
			t.Errorf("Deliver() = %v, and there was room by then", err)
		}
	})
}
