// Package bolt keeps records in one bbolt file, for a single process.
//
// A record is JSON under its key, with a checksum before it. Two more buckets list
// registrations by the time they are due, and whatever expires by when it does. A
// write is on disk when Put returns; writers who come at the same time share a
// transaction and its two syncs. Other parts of the process may keep buckets of their
// own in the file: see [Store.DB].
//
// bbolt trusts the file it maps into memory: damage makes it panic, and a file that is
// too short ends the process. So [Open] reads the whole structure first, and refuses
// what it would fall over or what has changed since it was written.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/store"
)

// Store is a [store.Store] in a file, made by [Open].
type Store struct {
	path   string
	db     *bbolt.DB
	now    func() time.Time
	writer writer
	broken atomic.Pointer[error] // what was wrong with the file, once something was
}

var _ store.Store = (*Store)(nil)

// DB returns the database, for others who keep buckets of their own in it. Their names
// must not begin with "store/".
func (s *Store) DB() *bbolt.DB { return s.db }

// Close releases the file, once calls under way have ended. Later calls fail.
func (s *Store) Close() error {
	if s.broken.Load() != nil {
		return nil // bbolt may hold a lock for ever; the file is released when the process ends
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing data file: %w", err)
	}
	return nil
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, rec store.Record) error {
	key, err := keyOf(rec)
	if err != nil {
		return err
	}
	return s.view(ctx, func(tx *bbolt.Tx) error {
		h, text, err := s.live(tx, key)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name(rec), err)
		}
		if h == nil {
			return store.ErrNotFound
		}
		return decode(text, rec)
	})
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, rec store.Record) error {
	return s.PutAnd(ctx, rec, func(*bbolt.Tx) error { return nil })
}

// PutAnd is Put, and in the same transaction what also does to buckets of its own: both
// are done, or neither. It may run more than once.
func (s *Store) PutAnd(ctx context.Context, rec store.Record, also func(*bbolt.Tx) error) error {
	key, err := keyOf(rec)
	if err != nil {
		return err
	}
	read := rec.Base().Version
	value, err := encode(key, rec, read+1)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name(rec), err)
	}
	h := headOf(rec)
	err = s.write(ctx, func(tx *bbolt.Tx) error {
		if err := s.replace(tx, key, read); err != nil {
			return err
		}
		if err := tx.Bucket(bucketRecords).Put(key, value); err != nil {
			return err
		}
		if err := h.enter(tx, key); err != nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		return failed("writing", rec, err)
	}
	rec.Base().Version = read + 1
	return nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, rec store.Record) error {
	key, err := keyOf(rec)
	if err != nil {
		return err
	}
	read := rec.Base().Version
	err = s.write(ctx, func(tx *bbolt.Tx) error {
		if err := s.replace(tx, key, read); err != nil {
			return err
		}
		return tx.Bucket(bucketRecords).Delete(key)
	})
	if err != nil {
		return failed("deleting", rec, err)
	}
	return nil
}

func failed(doing string, rec store.Record, err error) error {
	if errors.Is(err, store.ErrConflict) {
		return err
	}
	return fmt.Errorf("%s %s: %w", doing, name(rec), err)
}

// replace checks that the version that is stored and alive is the one that was read,
// and takes what is stored, alive or not, out of the indexes.
func (s *Store) replace(tx *bbolt.Tx, key []byte, read int64) error {
	old, _, err := stored(tx, key)
	if err != nil {
		return err
	}
	version := int64(0)
	if old != nil && !s.expired(old) {
		version = old.Version
	}
	if version != read {
		return store.ErrConflict
	}
	if old == nil {
		return nil
	}
	return old.leave(tx, key)
}

// live returns the record under key, or nil where there is none or it has expired.
func (s *Store) live(tx *bbolt.Tx, key []byte) (*head, []byte, error) {
	h, text, err := stored(tx, key)
	if err != nil || h == nil || s.expired(h) {
		return nil, nil, err
	}
	return h, text, nil
}

func (s *Store) expired(h *head) bool {
	return !h.ExpiresAt.IsZero() && h.ExpiresAt.UnixMilli() <= s.now().UnixMilli()
}

// keyOf returns where a record is stored: the parts of its key with a zero byte
// between them, which sorts the records of one device together.
func keyOf(rec store.Record) ([]byte, error) {
	k := rec.Key()
	if strings.Contains(k.PK, "\x00") || len(k.PK)+len(k.SK) >= bbolt.MaxKeySize {
		return nil, fmt.Errorf("the key of %s has a zero byte or is too long", name(rec))
	}
	return []byte(k.PK + "\x00" + k.SK), nil
}

// name is how errors speak of a record: a login's key is not for the log.
func name(rec store.Record) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", rec), "*store."))
}
