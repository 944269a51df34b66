//go:build sam

package samtest_test

import (
	"time"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/deadletter"
)

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
