//go:build sam

package samtest_test

import (
	"time"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func killedMidOrder(w *trouble) {
	// The result takes its time to be stored; meanwhile the function dies.
	w.fault(awsproxy.Fault{Kind: awsproxy.Delay, API: "PutItem", Skip: 1, DelayMS: 60_000})
	pressing := w.begins(func() { _ = w.press("1") })
	running := w.runningIn(press)
	w.until("the order is made", func() bool {
		s, err := w.Amazon.State(w.Context())
		w.must(err)
		return len(s.Orders) == 1
	})
	w.must(w.Kill(w.Context(), running...))
	pressing.Wait()
	w.wantDied(press)
	w.heal()
	if n := w.in("RetryQueue"); n != 1 {
		w.Errorf("%d messages in the queue, want the press of the function that died", n)
	}
	if _, again := w.poll(press); again != 1 {
		w.Errorf("while the claim lasts %d messages must come again, want 1", again)
	}
	w.later(time.Minute, "1")
	w.poll(press)
	w.wantOrdered("1")
}

func killedMidRefresh(w *trouble) {
	w.must(w.Amazon.Script(w.Context(), sandbox.Faults{LWA: []lwatest.Fault{
		{Route: lwatest.RouteToken, Kind: lwatest.Slow, Delay: lwatest.Duration(time.Minute)},
	}}))
	sweeping := w.begins(func() { w.sweep() })
	running := w.runningIn(sweep)
	w.until("a refresh is under way", func() bool { return w.registration().LeaseOwner != "" })
	w.must(w.Kill(w.Context(), running...))
	sweeping.Wait()
	w.wantDied(sweep)
	w.heal()
	w.wantActive()
	w.must(w.press("1")) // the token is good for some minutes
	w.later(5 * time.Minute)
	w.sweep()
	w.wantActive()
	if reg := w.registration(); time.Until(reg.Expiry) < 30*time.Minute {
		w.Errorf("the token expires %v, want it refreshed by another", reg.Expiry)
	}
	w.wantOrdered("1")
}
