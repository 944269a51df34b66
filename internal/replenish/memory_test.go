package replenish_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

// memory is a store that keeps the promises of package store.
type memory struct {
	mu      sync.Mutex
	records map[store.Key][]byte
	gets    int
	puts    int // that succeeded

	// before and after are asked about every call, if set; an error of theirs is what the
	// call returns, after it has done its work in the case of after.
	before, after func(op string, rec store.Record) error
}

func newMemory() *memory { return &memory{records: map[store.Key][]byte{}} }

var errStoreDown = fmt.Errorf("table is throttled: %w", store.ErrUnavailable)

// down makes every call of an operation on a type of record fail.
func down(op string, of store.Record) func(string, store.Record) error {
	return func(o string, rec store.Record) error {
		if o == op && reflect.TypeOf(rec) == reflect.TypeOf(of) {
			return errStoreDown
		}
		return nil
	}
}

func (m *memory) hook(hook func(string, store.Record) error, op string, rec store.Record) error {
	if hook == nil {
		return nil
	}
	return hook(op, rec)
}

func (m *memory) Get(ctx context.Context, rec store.Record) error {
	if err := m.hook(m.before, "get", rec); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m.gets++
	fresh := m.stored(rec)
	if fresh == nil {
		return store.ErrNotFound
	}
	reflect.ValueOf(rec).Elem().Set(reflect.ValueOf(fresh).Elem())
	return m.hook(m.after, "get", rec)
}

// stored returns a copy of what is stored under rec's key and has not expired; nil: nothing.
func (m *memory) stored(rec store.Record) store.Record {
	text, ok := m.records[rec.Key()]
	if !ok {
		return nil
	}
	fresh := reflect.New(reflect.TypeOf(rec).Elem()).Interface().(store.Record)
	if err := json.Unmarshal(text, fresh); err != nil {
		panic(err)
	}
	if end := fresh.Base().ExpiresAt; !end.IsZero() && !end.After(time.Now()) {
		return nil
	}
	return fresh
}

func (m *memory) Put(ctx context.Context, rec store.Record) error {
	if err := m.hook(m.before, "put", rec); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	version := int64(0)
	if old := m.stored(rec); old != nil {
		version = old.Base().Version
	}
	if version != rec.Base().Version {
		return store.ErrConflict
	}
	m.puts++
	rec.Base().Version++
	text, err := json.Marshal(rec)
	if err != nil {
		panic(err)
	}
	m.records[rec.Key()] = text
	if err := m.hook(m.after, "put", rec); err != nil {
		rec.Base().Version--
		return err
	}
	return nil
}

// counts returns the reads and writes so far.
func (m *memory) counts() (gets, puts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gets, m.puts
}
