package local

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/store"
)

var (
	queueBucket = []byte("local/queue")
	deadBucket  = []byte("local/dead")
)

// entry is a job as it lies on disk, under the number it got when it came.
type entry struct {
	Kind     string    `json:"kind"`
	Body     []byte    `json:"body"`
	Stored   time.Time `json:"stored"`
	Due      time.Time `json:"due"`
	Attempts int       `json:"attempts,omitempty"`
	Error    string    `json:"error,omitempty"` // of the latest attempt
}

// disk writes entries. One goroutine makes all writes, and everything that has come
// while it waited for the disk goes into the next transaction: a lone press waits for
// one sync, and a hundred at once do too.
type disk struct {
	db     *bbolt.DB
	writes chan write
	stop   chan struct{}
	done   chan struct{}
}

type write struct {
	do     func(*bbolt.Tx) error
	result chan error
}

const writesAtOnce = 256

func openDisk(db *bbolt.DB) (*disk, error) {
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{queueBucket, deadBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := &disk{db: db, writes: make(chan write, writesAtOnce), stop: make(chan struct{}), done: make(chan struct{})}
	go d.writeAll()
	return d, nil
}

func (d *disk) writeAll() {
	defer close(d.done)
	for {
		select {
		case first := <-d.writes:
			batch := []write{first}
			for range min(len(d.writes), writesAtOnce) {
				batch = append(batch, <-d.writes)
			}
			d.commit(batch)
		case <-d.stop:
			return
		}
	}
}

func (d *disk) commit(batch []write) {
	err := d.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range batch {
			if err := w.do(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	for _, w := range batch {
		w.result <- err
	}
}

// close waits for the write under way; later ones fail.
func (d *disk) close() {
	close(d.stop)
	<-d.done
}

var errClosed = fmt.Errorf("%w: the data file is being closed", store.ErrUnavailable)

func (d *disk) write(ctx context.Context, do func(*bbolt.Tx) error) error {
	w := write{do, make(chan error, 1)}
	select {
	case d.writes <- w:
	case <-d.done:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-w.result: // not ctx: what the disk says must not be lost
		return err
	case <-d.done:
		return errClosed
	}
}

// add stores a new entry and returns its key.
func (d *disk) add(ctx context.Context, e entry) (key uint64, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	err = d.write(ctx, func(tx *bbolt.Tx) (err error) {
		b := tx.Bucket(queueBucket)
		if key, err = b.NextSequence(); err != nil {
			return err
		}
		return b.Put(number(key), text)
	})
	return key, err
}

func (d *disk) update(ctx context.Context, key uint64, e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return d.write(ctx, func(tx *bbolt.Tx) error { return tx.Bucket(queueBucket).Put(number(key), text) })
}

func (d *disk) remove(ctx context.Context, key uint64) error {
	return d.write(ctx, func(tx *bbolt.Tx) error { return tx.Bucket(queueBucket).Delete(number(key)) })
}

// bury moves an entry to the dead letters.
func (d *disk) bury(ctx context.Context, key uint64, e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return d.write(ctx, func(tx *bbolt.Tx) error {
		if err := tx.Bucket(queueBucket).Delete(number(key)); err != nil {
			return err
		}
		return tx.Bucket(deadBucket).Put(number(key), text)
	})
}

var errGone = errors.New("entry is not there any more")

func (d *disk) get(key uint64) (e entry, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		text := tx.Bucket(queueBucket).Get(number(key))
		if text == nil {
			return errGone
		}
		return json.Unmarshal(text, &e)
	})
	return e, err
}

// load returns a ticket for every entry, and the number of dead letters. An entry
// that can't be read is left where it is: it is not ours to throw away.
func (d *disk) load() (all schedule, dead int, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		dead = tx.Bucket(deadBucket).Stats().KeyN
		return tx.Bucket(queueBucket).ForEach(func(key, text []byte) error {
			var e struct {
				Due time.Time `json:"due"`
			}
			if len(key) != 8 || json.Unmarshal(text, &e) != nil {
				return fmt.Errorf("entry %x is damaged", key)
			}
			all = append(all, ticket{key: binary.BigEndian.Uint64(key), due: e.Due})
			return nil
		})
	})
	return all, dead, err
}

// dead calls do for every dead letter, the oldest first, until it returns false.
func (d *disk) dead(do func(key uint64, e entry) bool) error {
	return d.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(deadBucket).Cursor()
		for k, text := c.First(); k != nil; k, text = c.Next() {
			var e entry
			if err := json.Unmarshal(text, &e); err != nil || len(k) != 8 {
				return fmt.Errorf("dead letter %x is damaged", k)
			}
			if !do(binary.BigEndian.Uint64(k), e) {
				return nil
			}
		}
		return nil
	})
}

// revive moves a dead letter back to the entries, as one that was never tried.
func (d *disk) revive(ctx context.Context, key uint64, due time.Time) error {
	missing := false
	err := d.write(ctx, func(tx *bbolt.Tx) error {
		text := tx.Bucket(deadBucket).Get(number(key))
		if missing = text == nil; missing { // no error of the batch: the others in it are good
			return nil
		}
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("dead letter %x is damaged", key)
		}
		e.Attempts, e.Error, e.Due = 0, "", due
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := tx.Bucket(deadBucket).Delete(number(key)); err != nil {
			return err
		}
		return tx.Bucket(queueBucket).Put(number(key), text)
	})
	if err == nil && missing {
		return errGone
	}
	return err
}

func number(key uint64) []byte { return binary.BigEndian.AppendUint64(nil, key) }
