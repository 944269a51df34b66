//go:build sam

package samtest_test

import (
	"slices"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/store"
)

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
