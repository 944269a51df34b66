//go:build linux || darwin

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

func init() {
	children["full"], children["nobody"] = full, openAsNobody
}

// full writes until the file system takes no more, makes room and goes on.
func full(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // or the system would end us, where a full disk doesn't
	s, err := openOnly(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	less := limit
	less.Cur = uint64(info.Size()) + 1<<18
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &less); err != nil {
		return err
	}
	return errors.Join(fill(s, func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit) }), s.Close())
}

// bulky returns a record of which a few fill any test's disk.
func bulky(i int) *store.Order {
	return &store.Order{Thing: "A::1", InstanceID: fmt.Sprint(i), Product: strings.Repeat("x", 30000)}
}

func fill(s *bolt.Store, makeRoom func() error) error {
	ctx := context.Background()
	n := 0
	var err error
	for err == nil && n < 1000 {
		n++
		err = s.Put(ctx, bulky(n))
	}
	last := bulky(n)
	for range 3 { // it stays full, and as it is
		if err := s.Put(ctx, last); !errors.Is(err, store.ErrUnavailable) || last.Version != 0 {
			return fmt.Errorf("Put() on a full disk = %w at version %d, want ErrUnavailable", err, last.Version)
		}
		if err := s.Get(ctx, bulky(n)); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("Get() of what did not fit = %w", err)
		}
	}
	if err := wantBulky(s, n-1); err != nil {
		return err
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if err := s.Put(ctx, last); err != nil {
		return fmt.Errorf("Put() once there is room = %w", err)
	}
	return wantBulky(s, n)
}

func wantBulky(s *bolt.Store, n int) error {
	for i := range n {
		rec := &store.Order{Thing: "A::1", InstanceID: fmt.Sprint(i + 1)}
		if err := s.Get(context.Background(), rec); err != nil || rec.Product != bulky(0).Product {
			return fmt.Errorf("Get(%d) = %w", i+1, err)
		}
	}
	return nil
}

// A full disk is trouble that passes, and leaves no half of anything.
func TestFullDisk(t *testing.T) {
	path := newPath(t)
	if got := run(t, "full", path); got != "" {
		t.Fatal(got)
	}
	s := open(t, path, bolt.Options{})
	if err := wantBulky(s, 1); err != nil {
		t.Error(err)
	}
}

// openAsNobody opens a file that belongs to somebody else.
func openAsNobody(path string) error {
	if os.Getuid() == 0 {
		const nobody = 65534
		if err := errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	_, err := openOnly(path)
	return err
}

// A file that can't be written is the file system's to explain.
func TestReadOnly(t *testing.T) {
	path := samplePath(t)
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			break // not ours any more
		}
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, "nobody", path), "opening data file: open "+path+": permission denied"; got != want {
		t.Errorf("Open() = %q, want %q", got, want)
	}
	wantBytes(t, path, sample())
	if err := os.Chmod(filepath.Dir(path), 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o700) }) // so that it can be removed
	if got := run(t, "nobody", filepath.Join(filepath.Dir(path), "new.db")); !strings.Contains(got, "permission denied") || !strings.HasPrefix(got, "opening data file: ") {
		t.Errorf("Open() of a new file in a directory that is read-only = %q", got)
	}
}
