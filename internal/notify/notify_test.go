package notify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/notify"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
)

// kinds is one notification of each type that does something.
func kinds(at time.Time) map[string][]byte {
	return map[string][]byte{
		"OrderPlaced":         notice("OrderPlaced", "1", at, orderInfo("o1")),
		"ItemShipped":         notice("ItemShipped", "2", at, orderInfo("o1")),
		"OrderCancelled":      notice("OrderCancelled", "3", at, cancelInfo("o1")),
		"SubscriptionChanged": notice("SubscriptionChanged", "4", at, slotsInfo(off)),
		"DeviceDeregistered":  notice("DeviceDeregistered", "5", at, ""),
	}
}

func TestSeenOnce(t *testing.T) {
	for name, body := range kinds(start.Add(6 * time.Minute)) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.take(body, body, body)
			if len(w.told.events) != 1 {
				t.Errorf("the device was told %d times, want once", len(w.told.events))
			}
			w.wantCount("done", 1)
			w.wantCount("duplicate", 2)
		})
	}
}

// A notification that could not be told, marked or stored comes again, and is finished then.
func TestDeliveredAgain(t *testing.T) {
	for name, body := range kinds(start.Add(6 * time.Minute)) {
		for trouble, spoil := range map[string]func(*world){
			"device can't be told":     func(w *world) { w.told.err = errDeaf },
			"store can't be read":      func(w *world) { w.store.before = once("get", new(store.Registration), errStoreDown) },
			"marks can't be read":      func(w *world) { w.store.before = once("get", new(store.Notification), errStoreDown) },
			"order can't be read":      func(w *world) { w.store.before = once("get", new(store.Order), errStoreDown) },
			"order can't be written":   func(w *world) { w.store.before = once("put", new(store.Order), errStoreDown) },
			"record can't be written":  func(w *world) { w.store.before = once("put", new(store.Registration), errStoreDown) },
			"seen can't be written":    func(w *world) { w.store.before = once("put", new(store.Notification), errStoreDown) },
			"order was just written":   func(w *world) { w.store.before = once("put", new(store.Order), store.ErrConflict) },
			"another marked it seen":   func(w *world) { w.store.before = once("put", new(store.Notification), store.ErrConflict) },
			"record was just written":  func(w *world) { w.store.before = once("put", new(store.Registration), store.ErrConflict) },
			"nothing is out of order":  func(*world) {},
			"device was told too late": func(w *world) { w.told.err = context.DeadlineExceeded },
		} {
			t.Run(name+"/"+trouble, func(t *testing.T) {
				w := newWorld(t)
				spoil(w)
				err := w.Notification(t.Context(), body)
				w.told.err, w.store.before = nil, nil
				if err != nil && len(w.told.events) != 0 {
					t.Error("an error although all was done")
				}
				if err != nil {
					w.wantCount("failed", 1)
					w.take(body)
				}
				if len(w.told.events) != 1 {
					t.Errorf("the device was told %d times, want once; first: %v", len(w.told.events), err)
				}
				w.take(body)
				if len(w.told.events) > 2 {
					t.Errorf("the device was told %d times", len(w.told.events))
				}
			})
		}
	}
}

// Not for us, or not for anybody: counted, and not asked for again.
func TestNotTaken(t *testing.T) {
	good := string(notice("OrderPlaced", "1", start, orderInfo("o1")))
	for name, tt := range map[string]struct{ body, outcome string }{
		"unknown device": {strings.ReplaceAll(good, serial, "SN9"), "unknown_device"},
		"foreign client": {strings.ReplaceAll(good, client, "amzn1.application-oa2-client.OTHER"), "foreign_client"},
		"bad device":     {strings.ReplaceAll(good, serial, "S N"), "bad_device"},
		"unknown type":   {strings.ReplaceAll(good, "OrderPlaced", "OrderDelivered"), "unknown_type"},
		"registered":     {strings.ReplaceAll(good, "OrderPlaced", "DeviceRegistered"), "done"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.take([]byte(tt.body))
			w.wantCount(tt.outcome, 1)
			if len(w.told.events) != 0 {
				t.Errorf("told %v", w.told.events)
			}
			if err := w.store.Get(t.Context(), &store.Order{Thing: vac, InstanceID: "o1"}); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("an order was stored: %v", err)
			}
		})
	}
}

func TestOtherClientsOfOurs(t *testing.T) {
	w := newWorld(t)
	w.ClientIDs = []string{"amzn1.application-oa2-client.OTHER"}
	body := strings.ReplaceAll(string(notice("OrderPlaced", "1", start, orderInfo("o1"))), client, w.ClientIDs[0])
	w.take([]byte(body))
	w.take([]byte(strings.ReplaceAll(strings.ReplaceAll(body, w.ClientIDs[0], ""), `"1"`, `"2"`)))
	w.wantCount("foreign_client", 0)
	w.wantCount("done", 2)
}

func TestMalformed(t *testing.T) {
	for _, body := range []string{
		"", "x", "null", "[]", "{}", `{"notificationInfo":{}}`, `{"canary":1}`,
		`{"notificationInfo":{"notificationType":"OrderPlacedNotification"}}`,
		string(notice("OrderPlaced", "1", start, "")), strings.Repeat(" ", 300<<10),
	} {
		w := newWorld(t)
		err := w.Notification(t.Context(), []byte(body))
		var malformed *notify.MalformedError
		if !errors.As(err, &malformed) || strings.Contains(err.Error(), "canary") {
			t.Errorf("Notification(%.60q) = %v, want a MalformedError", body, err)
		}
		w.wantCount("malformed", 1)
	}
}

// One bad notification of a batch takes no other along.
func TestHandle(t *testing.T) {
	record := func(body []byte) events.SNSEventRecord {
		return events.SNSEventRecord{SNS: events.SNSEntity{MessageID: "m", Message: string(body)}}
	}
	w := newWorld(t)
	err := w.Handle(t.Context(), events.SNSEvent{Records: []events.SNSEventRecord{
		record([]byte("x")), record(notice("OrderPlaced", "1", start, orderInfo("o1"))), record([]byte("{}")),
	}})
	var malformed *notify.MalformedError
	if !errors.As(err, &malformed) {
		t.Errorf("Handle() = %v, want the malformed ones", err)
	}
	if len(w.told.events) != 1 || w.told.events[0].event != message.EventOrder {
		t.Errorf("told %v, want the order", w.told.events)
	}
	if err := w.Handle(t.Context(), events.SNSEvent{}); err != nil {
		t.Errorf("Handle() of nothing = %v", err)
	}
}

// Without an ID there is no mark, and doing it twice changes nothing.
func TestWithoutID(t *testing.T) {
	w := newWorld(t)
	body := notice("OrderPlaced", "", start, orderInfo("o1"))
	w.take(body, body)
	w.wantCount("done", 2)
	if got := w.order("o1"); got.Version != 1 {
		t.Errorf("the order was written %d times, want once", got.Version)
	}
}

func TestForgottenAfterDays(t *testing.T) {
	w := newWorld(t)
	w.take(notice("OrderPlaced", "1", start, orderInfo("o1")))
	seen := &store.Notification{Thing: vac, ID: "1"}
	if err := w.store.Get(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	if got := seen.ExpiresAt.Sub(w.clock); got != 7*24*time.Hour {
		t.Errorf("it is remembered for %v, want 7 days", got)
	}
}

// Whatever comes is taken, or malformed; it never is a fault, and nobody else's device hears of it.
func FuzzNotification(f *testing.F) {
	for _, body := range kinds(start.Add(6 * time.Minute)) {
		f.Add(body)
	}
	f.Add(notice("DeviceRegistered", "", time.Time{}, ""))
	f.Add([]byte(`{"default":"` + strings.ReplaceAll(string(notice("OrderPlaced", "1", start, orderInfo("o1"))), `"`, `\"`) + `"}`))
	f.Add(notice("SubscriptionChanged", "subscription", start, slotsInfo(`{"":{"subscribed":true}}`)))
	f.Add(notice("OrderPlaced", "1", start, orderInfo("slot/filter")))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newWorld(t)
		err := w.Notification(t.Context(), body)
		var malformed *notify.MalformedError
		if err != nil && !errors.As(err, &malformed) {
			t.Fatalf("Notification() = %v although nothing is out of order here", err)
		}
		if _, readErr := drs.ParseNotification(body); (readErr == nil) != (err == nil) {
			t.Errorf("Notification() = %v, ParseNotification() = %v", err, readErr)
		}
		for _, e := range w.told.events {
			if e.thing != vac {
				t.Errorf("%s was told %v", e.thing, e.payload)
			}
		}
	})
}

// A device that is just being paired is notified of before its registration is made. That
// is nothing to look into.
func TestUnknownDeviceIsNoWarning(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	defer slog.SetDefault(before)
	for _, kind := range []string{"DeviceRegistered", "SubscriptionChanged"} {
		body := bytes.ReplaceAll(notice(kind, "1", w.clock, slotsInfo(on)), []byte(serial), []byte("SN2"))
		w.take(body)
	}
	w.wantCount("unknown_device", 2)
	if text := log.String(); strings.Count(text, `"level":"INFO"`) != 2 || strings.Contains(text, `"level":"WARN"`) {
		t.Errorf("logged %s, want two lines at info", text)
	}
}
