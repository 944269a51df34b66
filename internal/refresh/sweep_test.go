package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/tokens"
)

func TestSweepRefreshesAllThatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(500, time.Now().Add(-time.Minute))
		f.took = 200 * time.Millisecond
		f.due["ACME-VAC-1::LATER"] = time.Now().Add(time.Millisecond)
		h, c := f.handler(), &counter{}
		h.Metrics = c
		sum, err := h.Schedule(t.Context(), []byte(refresh.Task))
		if err != nil {
			t.Fatal(err)
		}
		want := refresh.Summary{Refreshed: 500, OldestDue: time.Minute}
		// Within a shard the oldest is first, but which shard is first is no matter.
		if diff := cmp.Diff(want, sum); diff != "" {
			t.Errorf("summary (-want +got):\n%s", diff)
		}
		if all, most := f.calls(); all != 500 || most != 1 || f.most != 10 {
			t.Errorf("%d calls, up to %d for a device, %d at a time; want 500, 1, 10", all, most, f.most)
		}
		metrics := map[string]float64{
			"RefreshRefreshed": 500, "RefreshEnded": 0, "RefreshLeft": 0, "RefreshOldestDueSeconds": 60,
		}
		if diff := cmp.Diff(metrics, c.n); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}

// An index that lags behind, or a record that nothing could be written to, comes again.
func TestSweepTriesEachDeviceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(300, time.Now().Add(-time.Minute))
		f.fail = func(thing string) error {
			if thing < "ACME-VAC-1::SN0250" {
				return &tokens.UnavailableError{RetryAfter: time.Second, Err: errors.New("the record can't be written")}
			}
			return nil
		}
		h := f.handler()
		h.Page = 20
		sum, err := h.Sweep(t.Context(), "0", "1", "2", "3")
		if all, most := f.calls(); all != 300 || most != 1 {
			t.Errorf("%d calls, up to %d for a device, want 300 and 1", all, most)
		}
		if sum.Refreshed != 50 || sum.Failed != 250 || err == nil {
			t.Errorf("summary = %+v, %v, want 50 refreshed behind 250 that fail", sum, err)
		}
		if f.queries > 100 {
			t.Errorf("%d queries for 300 devices in pages of 20", f.queries)
		}
	})
}

// Nothing can be written, so nothing ever leaves the index: that must not become a
// query over the whole fleet.
func TestSweepGivesUpOnAnIndexThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(4000, time.Now().Add(-time.Minute))
		f.fail = func(string) error { return &tokens.UnavailableError{Err: errors.New("table is throttled")} }
		h := f.handler()
		h.Page = 5
		sum, err := h.Sweep(t.Context(), "0")
		if all, _ := f.calls(); all > 100 || err == nil {
			t.Errorf("%d devices were tried, %+v, %v; want no more than some pages of 5", all, sum, err)
		}
	})
}

func TestOneDevicesFailureIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(10, time.Now().Add(-time.Minute))
		cause := map[string]error{
			"ACME-VAC-1::SN0001": &tokens.UnavailableError{Err: errors.New("timeout")},
			"ACME-VAC-1::SN0002": &tokens.CredentialsError{Err: errors.New("refused")},
			"ACME-VAC-1::SN0003": &tokens.UnexpectedError{Err: errors.New("what")},
			"ACME-VAC-1::SN0004": &tokens.SealError{Thing: "ACME-VAC-1::SN0004", Field: "refresh_token", Err: errors.New("no key")},
			"ACME-VAC-1::SN0005": errors.New("broken"),
			"ACME-VAC-1::SN0006": &tokens.GrantEndedError{Reason: "consent_withdrawn"},
			"ACME-VAC-1::SN0007": tokens.ErrNotRegistered,
			"ACME-VAC-1::SN0008": errStale,
		}
		f.fail = func(thing string) error { return cause[thing] }
		h, c := f.handler(), &counter{}
		h.Metrics = c
		sum, err := h.Schedule(t.Context(), []byte(refresh.Task))
		if sum.Refreshed != 2 || sum.Ended != 1 || sum.Failed != 5 || sum.Left != 0 {
			t.Errorf("summary = %+v, want 2 refreshed, 1 ended, 5 failed", sum)
		}
		for thing, e := range cause {
			benign := thing > "ACME-VAC-1::SN0005"
			if errors.Is(err, e) == benign {
				t.Errorf("the joined error is %s's: %v, want %v", thing, !benign, benign)
			}
		}
		for _, name := range []string{"unavailable", "credentials", "unexpected", "sealed", "other"} {
			if n := c.n["RefreshFailed cause "+name]; n != 1 {
				t.Errorf("%v failures with cause %s counted, want 1", n, name)
			}
		}
	})
}

func TestErrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1000, time.Now().Add(-time.Minute))
		f.fail = func(string) error { return &tokens.UnexpectedError{Err: errors.New("what")} }
		logged.Reset()
		sum, err := f.handler().Schedule(t.Context(), []byte(refresh.Task))
		if sum.Failed != 1000 {
			t.Errorf("failed = %d, want 1000", sum.Failed)
		}
		if lines := strings.Count(err.Error(), "\n") + 1; lines > 20 {
			t.Errorf("the error names %d devices, want at most 20", lines)
		}
		if n := strings.Count(logged.String(), "\n"); n > 21 {
			t.Errorf("%d log lines, want at most 21", n)
		}
	})
}

// LWA is down: a few find out, the others wait for the next run.
func TestSweepStopsAtAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1000, time.Now().Add(-time.Minute))
		f.took = 100 * time.Millisecond
		n := 0
		f.fail = func(string) error {
			n++
			return &tokens.UnavailableError{Outage: n > 3, RetryAfter: time.Minute, Err: errors.New("LWA is failing")}
		}
		sum, err := f.handler().Schedule(t.Context(), []byte(refresh.Task))
		all, _ := f.calls()
		if all > 20 {
			t.Errorf("%d devices were tried, want the first few", all)
		}
		if !sum.Outage || sum.Failed != 3 || sum.Left < 10 || sum.Skipped != 3 || err == nil {
			t.Errorf("summary = %+v, %v; want an outage, 3 failed, the page left, 3 shards skipped", sum, err)
		}
		if lines := strings.Count(err.Error(), "\n") + 1; lines > 4 {
			t.Errorf("the outage is said %d times", lines-3)
		}
	})
}

func TestSweepEndsBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(10_000, time.Now().Add(-time.Minute))
		f.took = time.Second
		h := f.handler()
		h.Margin = 5 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		sum, err := h.Schedule(ctx, []byte(refresh.Task))
		if took := time.Since(start); took > 26*time.Second || took < 24*time.Second {
			t.Errorf("the sweep took %v of 30 s with a margin of 5", took)
		}
		if err != nil || sum.Failed != 0 || sum.Refreshed != 250 || sum.Left == 0 || sum.Skipped != 3 {
			t.Errorf("summary = %+v, %v; want 250 refreshed, others left, 3 shards skipped, no failure", sum, err)
		}
		// The next run goes on where this one ended.
		sum, err = h.Schedule(t.Context(), []byte(refresh.Task))
		if err != nil || sum.Refreshed != 9750 {
			t.Errorf("next summary = %+v, %v, want the other 9750 refreshed", sum, err)
		}
	})
}

// A function with less time than the margin still does something.
func TestMarginIsAtMostHalfOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(10_000, time.Now().Add(-time.Minute))
		f.took = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		sum, _ := f.handler().Schedule(ctx, []byte(refresh.Task))
		if sum.Refreshed != 50 {
			t.Errorf("%d refreshed in 10 s, want 50 in the first 5", sum.Refreshed)
		}
	})
}

func TestAShardThatCannotBeQueried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(10, time.Now())
		f.down = fmt.Errorf("table is throttled")
		_, err := f.handler().Schedule(t.Context(), []byte(refresh.Task))
		e, ok := errors.AsType[*refresh.ShardError](err)
		if !ok || e.Shard != "0" || !errors.Is(err, f.down) {
			t.Errorf("error = %v, want a ShardError of the store's error", err)
		}
	})
}
