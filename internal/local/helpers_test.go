package local_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/restock-dev/restock/internal/store"
)

// The first default logger of slog must not come back after another: it writes to
// package log, which by then writes to it.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	os.Exit(m.Run())
}

// patience ends a test that waits for what never comes.
const patience = 20 * time.Second

// until polls a condition that has no channel to wait on.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// records is a store of what a test put into it.
type records struct {
	mu   sync.Mutex
	all  map[store.Key]store.Record
	fail error
}

func (r *records) put(rec store.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[store.Key]store.Record{}
	}
	r.all[rec.Key()] = rec
}

func (r *records) Get(_ context.Context, rec store.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.all[rec.Key()]
	switch {
	case r.fail != nil:
		return r.fail
	case !ok:
		return store.ErrNotFound
	}
	reflect.ValueOf(rec).Elem().Set(reflect.ValueOf(have).Elem())
	return nil
}

// counts is a metrics sink that keeps sums by name.
type counts struct {
	mu  sync.Mutex
	sum map[string]float64
}

func (c *counts) Count(name string, n float64, _ ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum == nil {
		c.sum = map[string]float64{}
	}
	c.sum[name] += n
}

func (c *counts) of(name string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum[name]
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var errTimeout = errors.New("no answer in time")

// done waits for a token of paho and returns its error.
func done(tok paho.Token) error {
	if !tok.WaitTimeout(patience) {
		return errTimeout
	}
	return tok.Error()
}
