package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

// openOnly opens without waiting for whoever has the file.
func openOnly(path string) (*bolt.Store, error) {
	return bolt.Open(path, bolt.Options{LockWait: time.Nanosecond})
}

func newPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "restock.db")
}

func TestOpenMakesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "share", "restock", "restock.db")
	s := open(t, path, bolt.Options{})
	put(t, s, &store.Order{Thing: "A::1", InstanceID: "1", Status: "PLACED"})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && (info.Mode() != 0o600 || dir.Mode().Perm() != 0o700) {
		t.Errorf("modes are %v and %v, want 0600 in 0700", info.Mode(), dir.Mode())
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("directory has %v, %v, want the file alone", left, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Get(t.Context(), &store.Order{Thing: "A::1", InstanceID: "1"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get() after Close = %v, want ErrUnavailable", err)
	}
	if err := s.Put(t.Context(), &store.Order{Thing: "A::1", InstanceID: "2"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put() after Close = %v, want ErrUnavailable", err)
	}
	again := open(t, path, bolt.Options{})
	got := &store.Order{Thing: "A::1", InstanceID: "1"}
	if err := again.Get(t.Context(), got); err != nil || got.Status != "PLACED" {
		t.Errorf("Get() after opening again = %+v, %v", got, err)
	}
}

func put(t testing.TB, s *bolt.Store, recs ...store.Record) {
	t.Helper()
	for _, rec := range recs {
		if err := s.Put(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
}

// Of those who start at once, one gets the file and the others are told.
func TestOpenAtOnce(t *testing.T) {
	path := newPath(t)
	stores := make([]*bolt.Store, 8)
	errs := make([]error, len(stores))
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() { stores[i], errs[i] = openOnly(path) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if err := stores[i].Close(); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, bolt.ErrInUse):
			t.Errorf("Open() = %v, want ErrInUse", err)
		}
	}
	if won != 1 {
		t.Errorf("%d got the file, want 1", won)
	}
}

// The second process says who has the file, and ends.
func TestSecondProcess(t *testing.T) {
	path := newPath(t)
	first := child(t, "hold", path)
	in, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if line := make([]byte, 5); !readAll(out, line) || string(line) != "open\n" {
		t.Fatalf("first process says %q", line)
	}
	who := "another process"
	if runtime.GOOS == "linux" {
		who = fmt.Sprint("process ", first.Process.Pid)
	}
	want := "opening data file: " + path + " is in use by another restock (" + who + "): end it, or name another with --data"
	if got := run(t, "open", path); got != want {
		t.Errorf("second process says %q, want %q", got, want)
	}
	in.Close()
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := run(t, "open", path); got != "" {
		t.Errorf("once the first has ended, the next says %q", got)
	}
}

func readAll(r interface{ Read([]byte) (int, error) }, b []byte) bool {
	for n := 0; n < len(b); {
		m, err := r.Read(b[n:])
		if err != nil {
			return false
		}
		n += m
	}
	return true
}

// A restart overlaps with the end of the process before.
func TestOpenWaits(t *testing.T) {
	path := newPath(t)
	first, err := openOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		s, err := bolt.Open(path, bolt.Options{LockWait: time.Minute})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("Open() = %v, want to wait for the first", err)
	}
}

// foreign is the bytes of a good bbolt file that isn't ours.
func foreign(t testing.TB, change func(tx *bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is not a data file is refused in one sentence, and left as it is.
func TestOpenRefuses(t *testing.T) {
	otherBucket := func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("accounts")); return err }
	future := func(tx *bbolt.Tx) error {
		for _, name := range []string{"store/records", "store/due", "store/expiry", "store/format"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("store/format")).Put([]byte("format"), []byte(futureSum+"restock 2"))
	}
	tests := []struct {
		name, want string
		text       []byte
		damaged    bool
	}{
		{"an empty file", "it is empty", nil, true},
		{"a byte", "it is cut off", []byte("x"), true},
		{"a short text", "it is cut off", []byte("my precious notes\n"), true},
		{"a long text", "it does not begin as one", bytes.Repeat([]byte("my precious notes\n"), 10000), true},
		{"zeros", "it does not begin as one", make([]byte, 1<<16), true},
		{"an empty bbolt file", "a bbolt file of another program", foreign(t, func(*bbolt.Tx) error { return nil }), true},
		{"a bbolt file of another program", "a bbolt file of another program", foreign(t, otherBucket), true},
		{"one of a newer restock", `has the format "restock 2", and this restock knows "restock 1"`, foreign(t, future), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			if err := os.WriteFile(path, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := openOnly(path)
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, bolt.ErrDamaged) != tt.damaged {
				t.Fatalf("Open() = %v, %v, want an error with %q", s, err, tt.want)
			}
			if msg := err.Error(); !strings.Contains(msg, path) || !strings.Contains(msg, "--data") || strings.Contains(msg, "\n") || strings.Contains(msg, "precious") {
				t.Errorf("Open() = %q, want one sentence with the path and what to do", msg)
			}
			wantBytes(t, path, tt.text)
		})
	}
}

// futureSum is CRC-32C of "format" and "restock 2".
const futureSum = "67e4170e"

func wantBytes(t testing.TB, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file was changed (%d bytes, were %d), %v", len(got), len(want), err)
	}
}

func TestOpenNowhere(t *testing.T) {
	dir := t.TempDir()
	if _, err := openOnly(dir); err == nil || !strings.Contains(err.Error(), dir+" is not a regular file: name another with --data") {
		t.Errorf("Open(directory) = %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openOnly(filepath.Join(file, "restock.db")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open(below a file) = %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "gone"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := openOnly(link); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(link to nothing) = %v, want fs.ErrNotExist", err)
	}
}

// Other parts keep buckets of their own in the file.
func TestDB(t *testing.T) {
	path := newPath(t)
	s := open(t, path, bolt.Options{})
	key, value := []byte("k"), bytes.Repeat([]byte("v"), 10000)
	err := s.DB().Update(func(tx *bbolt.Tx) error {
		outer, err := tx.CreateBucket([]byte("local/queue"))
		if err != nil {
			return err
		}
		inner, err := outer.CreateBucket([]byte("inner"))
		if err != nil {
			return err
		}
		return errors.Join(outer.Put(key, value), inner.Put(key, value), inner.Put([]byte("empty"), nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path, bolt.Options{})
	err = again.DB().View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("local/queue"))
		if !bytes.Equal(b.Get(key), value) || !bytes.Equal(b.Bucket([]byte("inner")).Get(key), value) {
			return errors.New("what was in the bucket is gone")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
