//go:build sam

package samtest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/samtest/pump"
	"github.com/restock-dev/restock/samtest/stack"
)

const (
	press     = "ReplenishFunction"
	sweep     = "RefreshFunction"
	notifying = "NotifyFunction"
	vac       = "ACME-VAC-1::SN0001" // the fixtures' paired device
)

// trouble is a stack on which things go wrong.
type trouble struct {
	*testing.T
	*world
	*pump.Pump
	server *stack.Server
	logged int // bytes of the log that are from before

	deepest map[string]int // that queues were seen, by their names

	mu     sync.Mutex
	failed map[string][]*pump.Failure // by function
}

// begin empties the world, with new containers, and gives it what the fixtures name.
func (w *trouble) begin(t *testing.T, given ...string) {
	t.Helper()
	w.T, w.Pump, w.deepest, w.failed = t, pump.New(w.Stack, w.server.URL), map[string]int{}, map[string][]*pump.Failure{}
	w.Failed = func(function string, f *pump.Failure) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failed[function] = append(w.failed[function], f)
	}
	w.cold(press, sweep, notifying)
	w.reset(t, nil)
	w.logged = len(w.server.Log())
	for _, name := range given {
		w.must(w.fixtures.Give(t.Context(), name))
	}
	t.Cleanup(func() {
		w.heldAgainstRoles(t)
		if t.Failed() {
			t.Logf("log:\n%s", w.server.Log()[w.logged:])
		}
	})
}

func (w *trouble) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *trouble) fault(f awsproxy.Fault) {
	w.Helper()
	w.must(w.Proxy.Script(w.Context(), f))
}

// heal ends all trouble of AWS and of Amazon.
func (w *trouble) heal() {
	w.Helper()
	w.must(errors.Join(w.Proxy.Heal(w.Context()), w.Amazon.Heal(w.Context())))
}

// cold ends the containers of functions.
func (w *trouble) cold(functions ...string) {
	w.Helper()
	for _, f := range functions {
		ids, err := w.Containers(w.Context(), f)
		w.must(err)
		w.must(w.Kill(w.Context(), ids...))
	}
}

// runningIn waits for the containers of a function. Whoever is to kill it in time has
// looked for them before.
func (w *trouble) runningIn(function string) (ids []string) {
	w.Helper()
	w.until("there is a container of "+function, func() bool {
		var err error
		ids, err = w.Containers(w.Context(), function)
		w.must(err)
		return len(ids) > 0
	})
	return ids
}

// failures returns how often a function failed, by what kind of failure; "": any.
func (w *trouble) failures(function, kind string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.failed[function] {
		if kind == "" || f.Type == kind {
			n++
		}
	}
	return n
}

// wantDied checks that a function has died in an event: had it come to its own end before
// it was killed, all would be as well as it is, and nothing shown.
func (w *trouble) wantDied(function string) {
	w.Helper()
	if n := w.failures(function, pump.Died); n != 1 {
		w.Errorf("%s died %d times in an event, want once", function, n)
	}
}

// heldAgainstRoles holds what was called of AWS against the roles. SAM gives all functions
// that it keeps warm the same credentials, so a call may be by any of them; TestEvents is
// stricter.
func (w *trouble) heldAgainstRoles(t *testing.T) {
	t.Helper()
	calls, lost, err := w.Proxy.Calls(context.WithoutCancel(t.Context()))
	if err != nil || lost > 0 {
		t.Fatalf("%d calls are lost, %v", lost, err)
	}
	w.allowed(t, calls, press, sweep, notifying)
}

// begins does things at the same time as what follows.
func (w *trouble) begins(things ...func()) *sync.WaitGroup {
	all := new(sync.WaitGroup)
	for _, do := range things {
		all.Go(do)
	}
	return all
}

// until waits for something that happens in a container.
func (w *trouble) until(what string, happened func() bool) {
	w.Helper()
	for end := time.Now().Add(90 * time.Second); !happened(); {
		if time.Now().After(end) {
			w.Fatalf("it does not come to pass that %s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
