package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

var (
	bucketFormat  = []byte("store/format")
	bucketRecords = []byte("store/records")
	bucketDue     = []byte("store/due")    // shard, zero byte, time, thing
	bucketExpiry  = []byte("store/expiry") // time, key of the record
)

// enter puts a record into the indexes it belongs to.
func (h *head) enter(tx *bbolt.Tx, key []byte) error {
	return h.index(key, func(bucket, entry []byte) error {
		return tx.Bucket(bucket).Put(entry, protect(entry, nil))
	})
}

// leave takes it out of them.
func (h *head) leave(tx *bbolt.Tx, key []byte) error {
	return h.index(key, func(bucket, entry []byte) error { return tx.Bucket(bucket).Delete(entry) })
}

func (h *head) index(key []byte, do func(bucket, entry []byte) error) error {
	if thing, ok := thingOf(key); ok && h.DueShard != "" && !h.DueAt.IsZero() {
		if err := do(bucketDue, append(duePrefix(h.DueShard), moment(h.DueAt, thing)...)); err != nil {
			return err
		}
	}
	if !h.ExpiresAt.IsZero() {
		return do(bucketExpiry, moment(h.ExpiresAt, key))
	}
	return nil
}

func duePrefix(shard string) []byte { return append([]byte(shard), 0) }

const momentSize = 8

// moment is a time to the millisecond as bytes that sort like it, and what follows it.
func moment(t time.Time, rest []byte) []byte {
	const sign = 1 << 63 // times before 1970 sort first
	b := binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli())^sign)
	return append(b, rest...)
}

var (
	devicePrefix       = []byte("D#")
	registrationSuffix = []byte("\x00REG")
)

// thingOf returns the thing whose registration is stored under key.
func thingOf(key []byte) (thing []byte, ok bool) {
	pk, ok := bytes.CutSuffix(key, registrationSuffix)
	if !ok {
		return nil, false
	}
	return bytes.CutPrefix(pk, devicePrefix)
}

// Due implements [store.Store].
func (s *Store) Due(ctx context.Context, shard string, before time.Time, limit int) ([]string, error) {
	var things []string
	prefix, end := duePrefix(shard), moment(before, nil)
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketDue).Cursor()
		for k, _ := c.Seek(prefix); len(things) < limit && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			at := k[len(prefix):]
			if len(at) < momentSize {
				return errChanged
			}
			if bytes.Compare(at[:momentSize], end) > 0 {
				return nil
			}
			things = append(things, string(at[momentSize:]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading due registrations: %w", err)
	}
	return things, nil
}

// Things lists up to limit registered things in order, starting after one of them; ""
// is before the first.
func (s *Store) Things(ctx context.Context, after string, limit int) ([]string, error) {
	var things []string
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketRecords).Cursor()
		from := append(bytes.Clone(devicePrefix), after...)
		if after != "" {
			from = behind(from)
		}
		for k, _ := c.Seek(from); len(things) < limit && bytes.HasPrefix(k, devicePrefix); k, _ = c.Seek(from) {
			pk, _, _ := bytes.Cut(k, []byte{0})
			h, _, err := s.live(tx, append(bytes.Clone(pk), registrationSuffix...))
			if err != nil {
				return err
			}
			if h != nil {
				things = append(things, string(pk[len(devicePrefix):]))
			}
			from = behind(pk) // over the device's messages and orders
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing registrations: %w", err)
	}
	return things, nil
}

// behind is the first key after all of a partition's.
func behind(pk []byte) []byte { return append(bytes.Clone(pk), 1) }

// Sweep removes up to limit records that have expired, the oldest first, and returns
// how many it removed. They are absent anyway; this frees their space.
func (s *Store) Sweep(ctx context.Context, limit int) (removed int, err error) {
	found := false
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		found = len(s.over(tx, 1)) > 0
		return nil
	})
	if err != nil || !found {
		return 0, err
	}
	err = s.write(ctx, func(tx *bbolt.Tx) (err error) {
		removed, err = s.sweep(tx, limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("removing expired records: %w", err)
	}
	return removed, nil
}

func (s *Store) sweep(tx *bbolt.Tx, limit int) (int, error) {
	entries := s.over(tx, limit)
	for _, entry := range entries {
		key := entry[momentSize:]
		h, _, err := stored(tx, key)
		if err != nil {
			return 0, err
		}
		if h == nil || !s.expired(h) {
			return 0, errChanged // the index and the records are written together
		}
		if err := errors.Join(h.leave(tx, key), tx.Bucket(bucketRecords).Delete(key)); err != nil {
			return 0, err
		}
	}
	return len(entries), nil
}

// over returns up to limit entries of the expiry index whose time has come.
func (s *Store) over(tx *bbolt.Tx, limit int) (entries [][]byte) {
	now := moment(s.now(), nil)
	c := tx.Bucket(bucketExpiry).Cursor()
	for k, _ := c.First(); len(entries) < limit && len(k) > momentSize && bytes.Compare(k[:momentSize], now) <= 0; k, _ = c.Next() {
		entries = append(entries, bytes.Clone(k))
	}
	return entries
}
