package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/restock-dev/restock/internal/durable"
)

var (
	// ErrInUse is wrapped by the error of [Open] for a file that another process has open.
	ErrInUse = errors.New("in use by another restock")

	// ErrDamaged is wrapped by errors about a file that is damaged or was never ours.
	ErrDamaged = errors.New("damaged, or no data file of restock")
)

// Options are for [Open]. The zero value is ready to use.
type Options struct {
	Now      func() time.Time // nil: time.Now
	LockWait time.Duration    // how long to wait for another process to end; 0: a second
	Stop     <-chan struct{}  // ends that waiting when it is closed; nil: nothing does
}

// format is the version of what the buckets hold.
const format = "restock 1"

var keyFormat = []byte("format")

// Open opens the data file at path, or makes one, with its directory, where there is
// none; only its owner may read either.
//
// Errors are one sentence that says what to do: [ErrInUse] and who uses it, [ErrDamaged]
// and where, or the file system's. A file that is refused is left as it is.
func Open(path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LockWait <= 0 {
		o.LockWait = time.Second
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening data file: %w", err)
	}
	s := &Store{path: path, now: o.Now, writer: writer{turn: make(chan struct{}, 1)}}
	if err := s.guard(func() error { return s.open(o) }); err != nil {
		return nil, fmt.Errorf("opening data file: %w", err)
	}
	return s, nil
}

func (s *Store) open(o Options) (err error) {
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout: o.LockWait,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { // bbolt would make a file
			return openChecked(s.path, o)
		},
		FreelistType: bbolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout): // where lock leaves it to bbolt
		return inUse(s.path, "another process")
	case err != nil:
		return err
	}
	if err := s.known(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// openChecked opens, locks and checks an existing file, in that order: another process
// that has it open may be changing it.
func openChecked(path string, o Options) (_ *os.File, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, fmt.Errorf("%s is not a regular file: name another with --data", path)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := lock(f, o); err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := check(f, info.Size()); err != nil {
		return nil, damaged(path, err.Error())
	}
	return f, nil
}

func damaged(path, why string) error {
	return fmt.Errorf("%s is %w (%s): it was left as it is; restore a copy of it, or name another with --data", path, ErrDamaged, why)
}

func inUse(path, by string) error {
	return fmt.Errorf("%s is %w (%s): end it, or name another with --data", path, ErrInUse, by)
}

// known checks that the file is ours and of a format that we know.
func (s *Store) known() error {
	return s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketFormat, bucketRecords, bucketDue, bucketExpiry} {
			if tx.Bucket(name) == nil {
				return damaged(s.path, "a bbolt file of another program")
			}
		}
		text, err := verify(keyFormat, tx.Bucket(bucketFormat).Get(keyFormat))
		switch {
		case err != nil:
			return damaged(s.path, err.Error())
		case string(text) != format:
			return fmt.Errorf("%s has the format %q, and this restock knows %q: use the restock that wrote it, or name another with --data", s.path, text, format)
		}
		return nil
	})
}

// create makes an empty data file. It gets its name once it is complete, and never
// takes that of a file that is there by then.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(f.Close(), initialize(f.Name())); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(dir)
}

func initialize(path string) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketFormat, bucketRecords, bucketDue, bucketExpiry} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketFormat).Put(keyFormat, protect(keyFormat, []byte(format)))
	})
	return errors.Join(err, db.Close())
}
