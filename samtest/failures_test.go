//go:build sam

package samtest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Whatever goes wrong, no order is made twice, no token is lost, and nothing that was
// accepted vanishes: it has its result, or it is in a queue. And the counts that alarms
// look at move.
func TestFailures(t *testing.T) {
	w := &trouble{world: newWorld(t, "failures")}
	var err error
	if w.server, err = w.StartLambda(t.Context(), freePort(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Stop)
	for _, s := range []struct {
		name  string
		given []string
		alarm string // of template.yaml, that looks at it; "": none, as nothing is wrong
		plays func(w *trouble)
	}{
		{"DRS is down for a while", []string{"paired", "drs-down"}, "RetriesWaitingAlarm", drsDown},
		{"DRS is down for too long", []string{"paired", "drs-down"}, "RetryDlqAlarm", drsDownForLong},
		{"LWA is down for an hour", []string{"due", "lwa-down"}, "OldestDueAlarm", lwaDown},
		{"DynamoDB throttles", []string{"paired"}, "TableThrottlesAlarm", throttled},
		{"a storm of conflicts", []string{"paired"}, "", storm}, // in which each write is made again, until it holds
		{"the result can't be stored", []string{"paired"}, "ReplenishErrorsAlarm", notStored},
		{"devices can't be told", []string{"paired"}, "ReplenishErrorsAlarm", notTold},
		{"Secrets Manager is down at the start", []string{"paired"}, "SecretsUnreadableAlarm", secretsDownCold},
		{"Secrets Manager goes down later", []string{"paired"}, "", secretsDownWarm}, // what is warm does not need it
		{"killed after the order", []string{"paired"}, "ReplenishErrorsAlarm", killedMidOrder},
		{"killed in a refresh", []string{"due"}, "RefreshErrorsAlarm", killedMidRefresh},
		{"the same message again", []string{"paired"}, "", twice}, // as SQS and AWS IoT do every day
		{"the end of an order first", []string{"paired"}, "ReplenishErrorsAlarm", outOfOrder},
		{"a message that nobody can read", []string{"paired"}, "RetryDlqAlarm", poison},
		{"two runs of the schedule at once", []string{"due"}, "", twoRuns}, // as happens whenever one takes long
		{"the client secret is rotated", []string{"stale"}, "CredentialsAlarm", rotated},
		{"the key ring is rotated", []string{"due"}, "", keysRotated}, // as it should be from time to time
		{"notifications fail", []string{"paired"}, "NotifyDlqAlarm", notificationsFail},
	} {
		t.Run(s.name, func(t *testing.T) {
			w.begin(t, s.given...)
			s.plays(w)
			w.wantAlarm(s.alarm)
		})
	}
}

func drsDown(w *trouble) {
	if err := w.Async(w.Context(), press, pressedAt("1", time.Now().Add(-70*time.Minute))); err == nil {
		w.Error("with DRS down a press is done")
	}
	w.poll(press)
	w.poll(press)
	w.wantOrders(0)
	w.wantCounted("Press", "outcome", "retrying", "by", "queue")
	w.heal()
	w.poll(press)
	w.wantOrdered("1")
	w.wantCounted("Press", "outcome", "ordered", "by", "queue")
}

func drsDownForLong(w *trouble) {
	_ = w.press("1")
	w.exhaust(press, "RetryDlq")
	gaps := w.gaps()
	if len(gaps) != backoff.Tries || !slices.IsSorted(gaps[:9]) || gaps[0] > 1 || slices.Max(gaps) < 300 || slices.Max(gaps) > 600 {
		w.Errorf("the message was hidden for %v seconds, want %d gaps that grow from 1 to 600", gaps, backoff.Tries)
	}
	if m := w.message("1"); m.State != store.Retrying || w.in("RetryQueue") != 0 {
		w.Errorf("the press is %s, %d messages in the queue; want it given up, and known to be tried", m.State, w.in("RetryQueue"))
	}
	w.heal()
	if done := w.redrive(deadletter.Retry); done.PutBack != 1 || w.in("RetryDlq") != 0 {
		w.Errorf("redrive = %+v, %d dead letters left", done, w.in("RetryDlq"))
	}
	w.poll(press)
	w.wantOrdered("1")
}

func lwaDown(w *trouble) {
	// Steps that are each shorter than the alarm's threshold: what it looks at must grow from
	// one failure to the next.
	for range 6 {
		w.sweep()
		w.wantActive()
		w.later(2 * time.Minute)
		w.cold(sweep)
	}
	w.wantAlarm("OldestDueAlarm")
	w.later(time.Hour)
	if err := w.press("1"); err == nil {
		w.Error("with LWA down and a used up token a press is done")
	}
	w.poll(press)
	w.wantOrders(0)
	w.heal()
	w.cold(sweep, press) // or a minute would have to pass
	w.later(time.Hour)
	w.sweep()
	w.wantActive()
	if reg := w.registration(); time.Until(reg.Expiry) < 30*time.Minute {
		w.Errorf("the token expires %v, want it refreshed", reg.Expiry)
	}
	healed := len(w.server.Log())
	w.later(time.Until(w.registration().DueAt) + time.Minute) // the next time
	w.sweep()
	if late := w.latest("RefreshOldestDueSeconds", healed); late < 60 || late >= 300 {
		w.Errorf("the next time that it is due, a minute ago, it is late by %v s", late)
	}
	if w.rings(w.alarms()["OldestDueAlarm"], healed) {
		w.Error("OldestDueAlarm still goes off once LWA is back")
	}
	w.poll(press)
	w.wantOrdered("1")
}

func throttled(w *trouble) {
	w.fault(awsproxy.Fault{Kind: awsproxy.Throttled, Service: "dynamodb"})
	if err := w.press("1"); err == nil {
		w.Error("without a table a press is done")
	}
	if _, again := w.poll(press); again != 1 {
		w.Errorf("%d messages must come again, want 1", again)
	}
	w.wantCounted("Press", "outcome", "retrying")
	w.heal()
	w.poll(press)
	w.wantOrdered("1")
}

func storm(w *trouble) {
	w.fault(awsproxy.Fault{Kind: awsproxy.Conflict, Service: "dynamodb", Times: 4})
	_ = w.press("1")
	w.poll(press)
	w.heal()
	w.later(time.Minute)
	w.poll(press)
	w.wantOrdered("1")
}

func notStored(w *trouble) {
	w.fault(awsproxy.Fault{Kind: awsproxy.Broken, API: "PutItem", Skip: 1})
	if err := w.press("1"); err == nil {
		w.Error("a press whose result could not be stored is done")
	}
	w.wantOrders(1)
	w.heal()
	if _, again := w.poll(press); again != 1 {
		w.Errorf("while the claim lasts %d messages must come again, want 1", again)
	}
	w.later(time.Minute, "1")
	w.poll(press)
	w.wantOrdered("1")
}

func notTold(w *trouble) {
	w.fault(awsproxy.Fault{Kind: awsproxy.Broken, Service: "iot"})
	if err := w.press("1"); err == nil {
		w.Error("a press of whose result nobody was told is done")
	}
	w.heal()
	w.poll(press)
	w.wantOrdered("1")
	w.wantCounted("PressReplayed", "by", "queue")
}

func secretsDownCold(w *trouble) {
	w.fault(awsproxy.Fault{Kind: awsproxy.Broken, Service: "secretsmanager"})
	if err := w.press("1"); err == nil {
		w.Error("without the key ring a press is done")
	}
	w.wantCounted("SecretsTrouble")
	w.wantActive()
	w.heal()
	w.poll(press)
	w.wantOrdered("1")
}

func secretsDownWarm(w *trouble) {
	w.must(w.press("1"))
	w.fault(awsproxy.Fault{Kind: awsproxy.Broken, Service: "secretsmanager"})
	w.must(w.press("2")) // which tells of the open order
	w.wantOrdered("1")
}

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

func twice(w *trouble) {
	event := pressed("1")
	both := w.begins(func() { _ = w.Async(w.Context(), press, event) }, func() { _ = w.Async(w.Context(), press, event) })
	both.Wait()
	w.put("RetryQueue", string(event))
	w.put("RetryQueue", string(event))
	w.poll(press)
	w.poll(press)
	w.wantOrdered("1")
}

func outOfOrder(w *trouble) {
	w.must(w.Amazon.Script(w.Context(), sandbox.Faults{DRS: []drstest.Fault{{Route: drstest.RouteReplenish, Kind: drstest.DropAfter}}}))
	if err := w.press("1"); err == nil {
		w.Error("a press whose answer got lost is done")
	}
	w.wantCounted("OutcomeUnknown")
	w.cancel() // which frees the slot
	placed, cancelled := w.notification("OrderPlaced"), w.notification("OrderCancelled")
	w.must(w.Async(w.Context(), notifying, cancelled))
	w.poll(press)
	w.wantOrdered("1")
	w.must(w.Async(w.Context(), notifying, placed))
	w.must(w.Async(w.Context(), notifying, cancelled))
	w.wantCounted("Notification", "outcome", "stale")
	w.wantCounted("Notification", "outcome", "duplicate")
}

func poison(w *trouble) {
	w.put("RetryQueue", "poison")
	w.put("RetryQueue", string(pressed("1")))
	if done, again := w.poll(press); done != 1 || again != 1 {
		w.Errorf("%d messages are done, %d must come again; want 1 and 1", done, again)
	}
	w.exhaust(press, "RetryDlq")
	if gaps := w.gaps(); slices.Max(gaps) != 1 {
		w.Errorf("what nobody can read was hidden for %v seconds, want 1 each time", gaps)
	}
	w.wantCounted("QueueMalformed")
	if done := w.redrive(deadletter.Retry); done.PutBack != 0 || done.Left != 1 || w.in("RetryDlq") != 1 {
		w.Errorf("redrive = %+v, %d dead letters; want it left where it is", done, w.in("RetryDlq"))
	}
	w.wantOrdered("1")
}

func twoRuns(w *trouble) {
	run := func() {
		_, err := w.Pump.Invoke(w.Context(), sweep, []byte(`{"task":"refresh"}`))
		w.must(err)
	}
	run()
	run()
	if n := w.in("RefreshQueue"); n != 2 {
		w.Errorf("%d shards are sent, want the same one twice", n)
	}
	other := *w.Pump
	both := w.begins(func() { w.poll(sweep) }, func() {
		if _, _, err := other.Poll(w.Context(), sweep); err != nil {
			w.Error(err)
		}
	})
	both.Wait()
	w.wantActive()
	calls, err := w.Amazon.Calls(w.Context())
	w.must(err)
	if n := calls.LWA["refresh_token"]; n != 1 {
		w.Errorf("LWA was asked for a token %d times, want once", n)
	}
	if n := w.in("RefreshQueue"); n != 0 {
		w.Errorf("%d shards are left in the queue", n)
	}
}

func rotated(w *trouble) {
	w.must(w.press("1"))
	w.wantOrdered("1")
	old := w.client()
	renewed := old
	renewed.Secret = "amzn1.oa2-cs.v1.rotated"
	w.must(w.Amazon.Reset(w.Context(), renewed))
	w.must(w.Store.Delete(w.Context(), w.registration()))
	w.must(w.fixtures.Give(w.Context(), "stale"))
	if err := w.press("2"); err == nil {
		w.Error("with a secret that LWA refuses a press is done")
	}
	w.wantCounted("SecretsTrouble", "cause", "credentials")
	w.wantActive()
	w.secret(renewed)
	defer w.secret(old)
	w.later(time.Hour)
	w.until("the press is done", func() bool {
		w.poll(press)
		return w.in("RetryQueue") == 0
	})
	w.wantOrdered("2")
}

// What was sealed with the old key opens as before; whoever starts anew seals with the new
// one, and who is warm finds that it does not know it.
func keysRotated(w *trouble) {
	w.must(w.press("1"))
	id := w.Ref("KeysSecret")
	out, err := w.Secrets.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
	w.must(err)
	added, key, err := seal.Add([]byte(*out.SecretString))
	w.must(err)
	write := func(text *string) {
		_, err := w.Secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: text})
		w.must(err)
	}
	before := w.registration()
	write(aws.String(string(added)))
	defer write(out.SecretString)
	w.must(w.press("2")) // which is warm, and tells of the open order
	w.sweep()            // which is not
	after := w.registration()
	if seal.KeyID(before.AccessToken) == key || seal.KeyID(after.AccessToken) != key || seal.KeyID(after.RefreshToken) != key {
		w.Errorf("the tokens are sealed with %s, after the rotation with %s and %s; want the new key %s",
			seal.KeyID(before.AccessToken), seal.KeyID(after.AccessToken), seal.KeyID(after.RefreshToken), key)
	}
	w.must(w.press("3"))
	for _, id := range []string{"2", "3"} {
		if m := w.message(id); m.State != store.Done || m.Result.InstanceID == "" {
			w.Errorf("press %s is %s: %+v; want it told of the open order", id, m.State, m.Result)
		}
	}
	w.wantOrdered("1")
}

func notificationsFail(w *trouble) {
	w.must(w.press("1"))
	placed := w.notification("OrderPlaced")
	w.fault(awsproxy.Fault{Kind: awsproxy.Broken, Service: "dynamodb"})
	if err := w.Async(w.Context(), notifying, placed); err == nil {
		w.Error("without a table a notification is done")
	}
	w.wantCounted("Notification", "outcome", "failed")
	if n := w.in("NotifyDlq"); n != 1 {
		w.Errorf("%d dead letters, want the notification", n)
	}
	w.heal()
	if done := w.redrive(deadletter.Notify); done.PutBack != 1 || w.in("NotifyDlq") != 0 {
		w.Errorf("redrive = %+v, %d dead letters left", done, w.in("NotifyDlq"))
	}
	w.wantCounted("Notification", "outcome", "done")
}
