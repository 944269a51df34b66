package callback_test

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

// memory is a store in memory. Each call can be made to fail, or to be overtaken.
type memory struct {
	now func() time.Time

	mu      sync.Mutex
	records map[store.Key][]byte

	// before is asked before each call, without the lock: an error is the answer. Set it
	// while nothing is under way.
	before func(op string, rec store.Record) error

	// after is asked after each Put that was done, likewise: an answer that gets lost.
	after func(rec store.Record) error
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, records: map[store.Key][]byte{}}
}

func (m *memory) hook(ctx context.Context, op string, rec store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.before == nil {
		return nil
	}
	return m.before(op, rec)
}

func (m *memory) Get(ctx context.Context, rec store.Record) error {
	if err := m.hook(ctx, "get", rec); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.live(rec)
	if !ok {
		return store.ErrNotFound
	}
	key := rec.Key()
	reflect.ValueOf(rec).Elem().SetZero()
	if err := json.Unmarshal(text, rec); err != nil {
		return err
	}
	if rec.Key() != key {
		panic("record without its key")
	}
	return nil
}

func (m *memory) Put(ctx context.Context, rec store.Record) error {
	if err := m.hook(ctx, "put", rec); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	version := int64(0)
	if text, ok := m.live(rec); ok {
		var meta store.Meta
		if err := json.Unmarshal(text, &meta); err != nil {
			return err
		}
		version = meta.Version
	}
	if rec.Base().Version != version {
		return store.ErrConflict
	}
	rec.Base().Version++
	text, err := json.Marshal(rec)
	m.records[rec.Key()] = text
	if err == nil && m.after != nil {
		err = m.after(rec)
	}
	return err
}

// live returns the record of rec's key unless it has expired.
func (m *memory) live(rec store.Record) ([]byte, bool) {
	text, ok := m.records[rec.Key()]
	var meta store.Meta
	if !ok || json.Unmarshal(text, &meta) != nil {
		return nil, false
	}
	return text, meta.ExpiresAt.IsZero() || meta.ExpiresAt.After(m.now())
}

// size counts the records of a type, by the prefix of their key.
func (m *memory) size(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for key := range m.records {
		if len(key.PK) >= len(prefix) && key.PK[:len(prefix)] == prefix {
			n++
		}
	}
	return n
}

// text returns everything that is stored.
func (m *memory) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all string
	for key, text := range m.records {
		all += key.PK + " " + key.SK + " " + string(text) + "\n"
	}
	return all
}

// edit reads a record, changes it and stores it.
func edit[R store.Record](t testing.TB, m *memory, rec R, change func(R)) {
	t.Helper()
	if err := m.Get(context.Background(), rec); err != nil {
		t.Fatalf("reading %v: %v", rec.Key(), err)
	}
	change(rec)
	if err := m.Put(context.Background(), rec); err != nil {
		t.Fatalf("storing %v: %v", rec.Key(), err)
	}
}
