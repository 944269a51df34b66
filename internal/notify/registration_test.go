package notify_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

const (
	on  = `{"filter":{"subscribed":true,"productInfoList":[]},"bag":{"subscribed":true,"productInfoList":[]}}`
	off = `{"filter":{"subscribed":false,"productInfoList":[]}}`
)

var (
	slotsOn  = []message.Slot{{Slot: "bag", Subscribed: true}, {Slot: "filter", Subscribed: true}}
	slotsOff = []message.Slot{{Slot: "filter"}}
)

func TestSubscriptionChanged(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		w := newWorld(t)
		if err := w.drs.SetSwitches(drstest.Switches{NotificationsV1: v1}); err != nil {
			t.Fatal(err)
		}
		if err := w.drs.Register(device()); err != nil {
			t.Fatal(err)
		}
		if err := w.drs.Subscribe(model, serial, "bag", false); err != nil {
			t.Fatal(err)
		}
		bodies := w.drain()
		w.take(bodies[len(bodies)-1])
		want := []message.Slot{{Slot: "bag"}, {Slot: "filter", Subscribed: true}}
		if diff := cmp.Diff(want, w.registration().Slots); diff != "" {
			t.Errorf("slots differ (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]event{{vac, "subscription", message.Subscription{Thing: vac, Slots: want, At: w.clock}}},
			w.told.events, cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("told differs (-want +got):\n%s", diff)
		}
	}
}

// Whatever the order of arrival, the last change counts.
func TestSubscriptionsNeverGoBack(t *testing.T) {
	first := notice("SubscriptionChanged", "1", start.Add(time.Minute), slotsInfo(on))
	last := notice("SubscriptionChanged", "2", start.Add(2*time.Minute), slotsInfo(off))
	for name, bodies := range map[string][][]byte{
		"in order": {first, last}, "backwards": {last, first}, "again": {first, last, first, last},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.take(bodies...)
			if diff := cmp.Diff(slotsOff, w.registration().Slots); diff != "" {
				t.Errorf("slots differ (-want +got):\n%s", diff)
			}
		})
	}
}

// Two functions at once: the one with the older news must not write last.
func TestSubscriptionsRace(t *testing.T) {
	w := newWorld(t)
	first := notice("SubscriptionChanged", "1", start.Add(time.Minute), slotsInfo(on))
	last := notice("SubscriptionChanged", "2", start.Add(2*time.Minute), slotsInfo(off))
	w.store.before = func(op string, rec store.Record) error {
		if _, ok := rec.(*store.Registration); ok && op == "put" {
			w.store.before = nil
			w.take(last)
		}
		return nil
	}
	w.take(first)
	if diff := cmp.Diff(slotsOff, w.registration().Slots); diff != "" {
		t.Errorf("slots differ (-want +got):\n%s", diff)
	}
	w.wantCount("stale", 1)
}

// What was changed before the sign-in, the sign-in has read itself.
func TestSubscriptionsBeforeTheSignIn(t *testing.T) {
	old := notice("SubscriptionChanged", "1", start.Add(-2*time.Minute), slotsInfo(off))
	w := newWorld(t)
	w.take(old)
	if got := w.registration().Slots; len(got) != 1 || !got[0].Subscribed {
		t.Errorf("slots = %v, want those of the sign-in", got)
	}
	w.wantCount("stale", 1)

	w = newWorld(t) // unless that could not
	reg := w.registration()
	reg.Slots = nil
	w.put(reg)
	w.take(old)
	if diff := cmp.Diff(slotsOff, w.registration().Slots); diff != "" {
		t.Errorf("slots differ (-want +got):\n%s", diff)
	}

	w = newWorld(t) // Amazon's clock may be slow
	w.take(notice("SubscriptionChanged", "1", start.Add(-30*time.Second), slotsInfo(on)))
	if diff := cmp.Diff(slotsOn, w.registration().Slots); diff != "" {
		t.Errorf("slots differ (-want +got):\n%s", diff)
	}
}

func TestOldSubscriptions(t *testing.T) {
	w := newWorld(t)
	w.clock = start.AddDate(0, 1, 0)
	w.take(notice("SubscriptionChanged", "1", w.clock.AddDate(0, 0, -8), slotsInfo(off)))
	w.wantCount("stale", 1)
	if len(w.told.events) != 0 {
		t.Errorf("told %v", w.told.events)
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	w := newWorld(t)
	var slots []string
	for i := range 150 {
		slots = append(slots, fmt.Sprintf(`"slot%03d":true`, i))
	}
	slots = append(slots, `"`+strings.Repeat("a", 129)+`":true`)
	w.take(notice("SubscriptionChanged", "1", w.clock, slotsInfo("{"+strings.Join(slots, ",")+"}")))
	got := w.registration().Slots
	if len(got) != 100 || got[0].Slot != "slot000" {
		t.Errorf("%d slots kept, the first %q; want 100, without names that no press could have", len(got), got[0].Slot)
	}
}

func TestDeviceDeregistered(t *testing.T) {
	for _, status := range []store.Status{store.Active, store.GrantEnded} {
		w := newWorld(t)
		if err := w.drs.Register(device()); err != nil {
			t.Fatal(err)
		}
		w.drain()
		reg := w.registration()
		if status == store.GrantEnded { // we may have noticed before
			reg.End(store.GrantEnded, store.ReasonConsentWithdrawn, w.clock.Add(time.Minute))
			w.put(reg)
		}
		if err := w.drs.Deregister(model, serial); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(time.Hour)
		w.take(w.drain()...)
		got := w.registration()
		if got.Status != store.Deregistered || got.Reason != "deregistered_at_amazon" || got.RefreshToken != "" ||
			got.KeyHash == "" || !got.StatusAt.Equal(w.clock.Add(-time.Hour)) {
			t.Errorf("registration = %+v", got)
		}
		if diff := cmp.Diff([]event{{vac, "registration", got.State()}}, w.told.events, cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("told differs (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"deregistered_at_amazon"}, w.bus.reasons); diff != "" {
			t.Errorf("the bus differs (-want +got):\n%s", diff)
		}
		counted := 0.
		for _, s := range w.counts.Snapshot() {
			if s.Name == "GrantEnded" && s.Dimensions["reason"] == "deregistered_at_amazon" {
				counted += s.Value
			}
		}
		if first := status == store.Active; (counted == 1) != first {
			t.Errorf("%v grants counted as ended, of one that was %s", counted, status)
		}
	}
}

// A maker who could not be told is told when the notification comes again.
func TestDeregisteredWhileTheBusIsAway(t *testing.T) {
	w := newWorld(t)
	body := notice("DeviceDeregistered", "1", w.clock, "")
	w.bus.err = errDeaf
	if err := w.Notification(t.Context(), body); !errors.Is(err, errDeaf) {
		t.Errorf("Notification() = %v, want the bus's error, so that it comes again", err)
	}
	w.bus.err = nil
	w.take(body, body)
	if diff := cmp.Diff([]string{"deregistered_at_amazon"}, w.bus.reasons); diff != "" {
		t.Errorf("the bus differs (-want +got):\n%s", diff)
	}
}

// The registration that was ended may not be the present one.
func TestDeregisteredBeforeTheSignIn(t *testing.T) {
	for _, early := range []time.Duration{5*time.Minute + time.Millisecond, time.Hour} {
		w := newWorld(t)
		w.take(notice("DeviceDeregistered", "1", start.Add(-early), ""))
		if got := w.registration(); got.Status != store.Active {
			t.Errorf("%v before the sign-in: registration = %+v, want it active", early, got)
		}
		w.wantCount("stale", 1)
	}
}

// Close to a sign-in nobody can tell which registration was ended, so the present one stays,
// and a refresh finds out.
func TestDeregisteredCloseToTheSignIn(t *testing.T) {
	for _, at := range []time.Time{
		start.Add(-5 * time.Minute), start.Add(-time.Millisecond), start, start.Add(time.Second), start.Add(5 * time.Minute), {},
	} {
		for _, shard := range []string{"", "3"} {
			w := newWorld(t)
			reg := w.registration()
			reg.AccessToken, reg.DueShard = "sealed", shard
			if shard != "" {
				reg.DueAt = w.clock.Add(37 * time.Minute)
			}
			w.put(reg)
			w.take(notice("DeviceDeregistered", "1", at, ""))
			want := *reg
			want.Version++
			want.DueAt = w.clock
			if shard == "" {
				want.DueShard = store.Shard(vac, 16)
			}
			if diff := cmp.Diff(&want, w.registration()); diff != "" {
				t.Errorf("at %v: registration differs (-want +got):\n%s", at, diff)
			}
			if len(w.told.events) != 0 {
				t.Errorf("at %v: told %v", at, w.told.events)
			}
			w.wantCount("in_doubt", 1)
		}
	}
}

// One without refresh token can't be asked for, and ends by itself.
func TestDeregisteredCloseToTheSignInWithoutRefreshToken(t *testing.T) {
	w := newWorld(t)
	reg := w.registration()
	reg.RefreshToken, reg.DueShard, reg.DueAt = "", "3", w.clock.Add(time.Hour)
	w.put(reg)
	w.take(notice("DeviceDeregistered", "1", start, ""))
	if diff := cmp.Diff(reg, w.registration()); diff != "" {
		t.Errorf("registration differs (-want +got):\n%s", diff)
	}
}

// Through our API: the device knows, and the reason stays ours.
func TestDeregisteredByUs(t *testing.T) {
	w := newWorld(t)
	reg := w.registration()
	reg.End(store.Deregistered, store.ReasonDeregistered, w.clock)
	w.put(reg)
	w.take(notice("DeviceDeregistered", "1", w.clock.Add(time.Second), ""))
	if got := w.registration(); got.Reason != store.ReasonDeregistered || len(w.told.events)+len(w.bus.reasons) != 0 {
		t.Errorf("registration = %+v, told %v", got, w.told.events)
	}
}

// A clock of Amazon's that is fast must not make the next sign-in look old.
func TestDeregisteredInTheFuture(t *testing.T) {
	w := newWorld(t)
	w.take(notice("DeviceDeregistered", "1", w.clock.Add(time.Hour), ""))
	if got := w.registration(); got.Status != store.Deregistered || got.StatusAt.After(w.clock) {
		t.Errorf("registration = %+v", got)
	}
}

// The Keeper may write the registration at the same time.
func TestConflict(t *testing.T) {
	for name, body := range map[string][]byte{
		"deregistered": notice("DeviceDeregistered", "1", start.Add(6*time.Minute), ""),
		"subscription": notice("SubscriptionChanged", "1", start.Add(time.Second), slotsInfo(on)),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.before = func(op string, rec store.Record) error {
				if _, ok := rec.(*store.Registration); ok && op == "put" {
					w.store.before = nil
					reg := w.registration()
					reg.AccessToken = "sealed anew"
					w.put(reg)
				}
				return nil
			}
			w.take(body)
			got := w.registration()
			if name == "subscription" && (got.AccessToken != "sealed anew" || len(got.Slots) != 2) {
				t.Errorf("registration = %+v, want both changes", got)
			}
			if name == "deregistered" && got.Status != store.Deregistered {
				t.Errorf("registration = %+v, want it deregistered", got)
			}
		})
	}
}

// And one who signs in again at the same time has made another registration.
func TestSignInMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.store.before = func(op string, rec store.Record) error {
		if _, ok := rec.(*store.Registration); ok && op == "put" {
			w.store.before = nil
			reg := w.registration()
			reg.Grant, reg.StatusAt = "second", start.Add(time.Minute)
			w.put(reg)
		}
		return nil
	}
	w.take(notice("DeviceDeregistered", "1", start.Add(6*time.Minute), ""))
	if got := w.registration(); got.Status != store.Active || got.Grant != "second" {
		t.Errorf("registration = %+v, want the second one left alone", got)
	}
}
