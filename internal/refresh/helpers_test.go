package refresh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

const shards = 4

// fleet is a due index and the Keeper that works on it.
type fleet struct {
	mu      sync.Mutex
	due     map[string]time.Time // by thing
	down    error                // of the index
	asked   map[string]int       // RefreshDue, by thing
	queries int
	running int
	most    int // running at the same time
	took    time.Duration
	fail    func(thing string) error // nil: nothing fails
}

func newFleet(devices int, at time.Time) *fleet {
	f := &fleet{due: map[string]time.Time{}, asked: map[string]int{}}
	for i := range devices {
		f.due[fmt.Sprintf("ACME-VAC-1::SN%04d", i)] = at.Add(time.Duration(i) * time.Millisecond)
	}
	return f
}

func (f *fleet) Due(_ context.Context, shard string, before time.Time, limit int) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries++
	if f.down != nil {
		return nil, f.down
	}
	things := slices.DeleteFunc(slices.Collect(maps.Keys(f.due)), func(thing string) bool {
		return store.Shard(thing, shards) != shard || f.due[thing].After(before)
	})
	slices.SortFunc(things, func(a, b string) int { return f.due[a].Compare(f.due[b]) })
	return things[:min(limit, len(things))], nil
}

func (f *fleet) RefreshDue(ctx context.Context, thing string) (tokens.Due, error) {
	f.mu.Lock()
	f.asked[thing]++
	f.running++
	f.most = max(f.most, f.running)
	due := tokens.Due{At: f.due[thing]}
	f.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(f.took):
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if f.fail != nil {
		switch err := f.fail(thing); {
		case errors.Is(err, errStale):
			return tokens.Due{}, &tokens.GrantEndedError{Reason: "consent_withdrawn"}
		case err != nil:
			return due, err
		}
	}
	delete(f.due, thing)
	due.Refreshed = true
	return due, nil
}

// errStale is a grant that had ended before, and is still in the index.
var errStale = errors.New("stale")

// calls is how often devices were tried, and the most for one of them.
func (f *fleet) calls() (all, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.asked {
		all, most = all+n, max(most, n)
	}
	return all, most
}

func (f *fleet) handler() *refresh.Handler {
	return &refresh.Handler{Keeper: f, Store: f, Shards: shards}
}

// counter is the metrics.
type counter struct {
	mu sync.Mutex
	n  map[string]float64
}

func (c *counter) Seconds(name string, d time.Duration, dimensions ...string) {
	c.Count(name, d.Seconds(), dimensions...)
}

func (c *counter) Count(name string, n float64, dimensions ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]float64{}
	}
	c.n[strings.Join(append([]string{name}, dimensions...), " ")] += n
}

var logged bytes.Buffer

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(&logged, nil)))
	os.Exit(m.Run())
}
