package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/store"
)

// writer puts the writes that wait for the disk into one transaction. Whoever has the
// turn commits what has come by then, its own write among it: a lone writer waits for
// nobody, and a hundred at once wait for two transactions. (bbolt's Batch would make
// the lone one wait.)
type writer struct {
	turn    chan struct{} // holds a value while someone commits
	mu      sync.Mutex
	waiting []*write
}

// write is one writer's part of a transaction. It checks before it changes anything,
// so that it can fail with ErrConflict and leave the others' parts as they are.
type write struct {
	do   func(*bbolt.Tx) error
	done chan struct{} // closed once err is known
	err  error
}

func (w *write) end(err error) {
	w.err = err
	close(w.done)
}

// write runs do in a transaction and returns once it is on disk. It does nothing when
// ctx is done, and doesn't look at it any more once the write is under way: what
// became of it must be known.
func (s *Store) write(ctx context.Context, do func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	mine := &write{do: do, done: make(chan struct{})}
	w := &s.writer
	w.mu.Lock()
	w.waiting = append(w.waiting, mine)
	w.mu.Unlock()
	select {
	case <-mine.done:
	case w.turn <- struct{}{}:
		runtime.Gosched() // those whose write has just ended may be about to come again
		w.mu.Lock()
		all := w.waiting
		w.waiting = nil
		w.mu.Unlock()
		s.commit(all)
		<-w.turn
		<-mine.done // by us just now, or by the one before
	}
	return mine.err
}

// commit makes writes, all in one transaction but those that fail.
func (s *Store) commit(all []*write) {
	for len(all) > 0 {
		failed := -1
		err := s.guard(func() error {
			return s.db.Update(func(tx *bbolt.Tx) error {
				for i, w := range all {
					if w.err = w.do(tx); w.err != nil && !errors.Is(w.err, store.ErrConflict) {
						failed = i
						return w.err
					}
				}
				return nil
			})
		})
		switch {
		case err == nil:
			for _, w := range all {
				w.end(w.err)
			}
			return
		case failed >= 0: // nothing is written yet; the others try again without it
			all[failed].end(err)
			all = slices.Delete(all, failed, failed+1)
		default: // also for a conflict: what it conflicted with may be gone
			for _, w := range all {
				w.end(unavailable(err))
			}
			return
		}
	}
}

// view runs do in a transaction that reads.
func (s *Store) view(ctx context.Context, do func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	begun := false
	err := s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return do(tx)
		})
	})
	if err != nil && !begun {
		return unavailable(err)
	}
	return err
}

// unavailable says that err may pass; damage doesn't.
func unavailable(err error) error {
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// guard turns what bbolt does on a file that was damaged while it was open, a panic or
// an access to memory that isn't there, into an error. Nothing is read or written from
// then on.
func (s *Store) guard(do func() error) (err error) {
	if broken := s.broken.Load(); broken != nil {
		return *broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged(s.path, fmt.Sprint("while it was open: ", p))
			s.broken.Store(&err)
		}
	}()
	return do()
}
