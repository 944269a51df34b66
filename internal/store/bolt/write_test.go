package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

// writeForever stores messages in several goroutines, and says of each when it is stored.
func writeForever(path string) error {
	s, err := openOnly(path)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for g := range errs {
		wg.Go(func() {
			for i := 0; errs[g] == nil; i++ {
				id := fmt.Sprintf("%d-%d", g, i)
				errs[g] = s.Put(context.Background(), &store.Message{Thing: "A::1", ID: id, Attempts: i})
				fmt.Printf("stored %s\n", id)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// What Put has said is stored is still there after kill -9.
func TestKilled(t *testing.T) {
	for range 3 {
		path := newPath(t)
		ids := killed(t, path)
		s := open(t, path, bolt.Options{})
		for _, id := range ids {
			rec := &store.Message{Thing: "A::1", ID: id}
			_, n, _ := strings.Cut(id, "-")
			if err := s.Get(t.Context(), rec); err != nil || strconv.Itoa(rec.Attempts) != n {
				t.Errorf("Get(%s), which was stored = %+v, %v", id, rec, err)
			}
		}
	}
}

// killed lets a child write, kills it, and returns what it has said it stored.
func killed(t *testing.T, path string) (ids []string) {
	t.Helper()
	cmd := child(t, "write", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil { // the last line may be cut off
			break
		}
		if ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(line, "stored "), "\n")); len(ids) == 20 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if len(ids) < 20 {
		t.Fatalf("only %d were stored", len(ids))
	}
	return ids
}

// One write that can't be made spoils none of those that share its transaction, and
// leaves nothing of itself.
func TestSharedTransaction(t *testing.T) {
	s := open(t, newPath(t), bolt.Options{})
	rec := func(i int) *store.Message {
		m := &store.Message{Thing: "A::1", ID: strconv.Itoa(i)}
		if i%2 == 1 { // fits into the records, and is too long for the index of what expires
			m.ID = fmt.Sprintf("%032755d", i)
			m.ExpiresAt = time.Now().Add(time.Hour)
		}
		return m
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if err := s.Put(t.Context(), rec(i)); (err != nil) != (i%2 == 1) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Put(%d) = %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range 64 {
		err := s.Get(t.Context(), rec(i))
		if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%d) = %v", i, err)
		}
	}
	if err := s.Put(t.Context(), &store.Message{Thing: "A::1", ID: strings.Repeat("x", 40000)}); err == nil || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put(longer than any key) = %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("writers=", n), func(b *testing.B) {
			s := open(b, newPath(b), bolt.Options{})
			var last atomic.Int64
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					for i := last.Add(1); i <= int64(b.N); i = last.Add(1) {
						if err := s.Put(b.Context(), &store.Message{Thing: "A::1", ID: strconv.FormatInt(i, 10), Slot: "filter"}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// A record and what goes with it are stored together, or neither is.
func TestPutAnd(t *testing.T) {
	s := open(t, newPath(t), bolt.Options{})
	failed := errors.New("no room for it")
	rec := &store.Message{Thing: "A::1", ID: "1"}
	if err := s.PutAnd(t.Context(), rec, func(*bbolt.Tx) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("PutAnd() = %v, want the failure", err)
	}
	if err := s.Get(t.Context(), &store.Message{Thing: "A::1", ID: "1"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get() = %v, want ErrNotFound", err)
	}
	also := func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("ours"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), []byte("v"))
	}
	if err := s.PutAnd(t.Context(), rec, also); err != nil {
		t.Fatal(err)
	}
	err := s.DB().View(func(tx *bbolt.Tx) error {
		if got := tx.Bucket([]byte("ours")).Get([]byte("k")); string(got) != "v" {
			t.Errorf("what goes with it: %q, want v", got)
		}
		return nil
	})
	if err := errors.Join(err, s.Get(t.Context(), &store.Message{Thing: "A::1", ID: "1"})); err != nil {
		t.Error(err)
	}
}
