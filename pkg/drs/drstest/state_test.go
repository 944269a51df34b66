package drstest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func httpClient(rt http.RoundTripper) *http.Client { return &http.Client{Transport: rt} }

// busy leads a sandbox into a state with something of everything.
func busy(t *testing.T, b sandbox) {
	t.Helper()
	ok(t, b.Register(device))
	ok(t, b.Register(testDevice))
	b.replenish(t, token, "filter", placed)
	ok(t, b.Cancel(b.replenish(t, token, "bag", placed)))
	b.replenish(t, testToken, "filter", testPlaced)
	ok(t, b.Subscribe(device.Model, device.Serial, "bag", false))
	ok(t, b.Client().SlotStatus(t.Context(), token, "filter", drs.SlotStatus{LastUse: start}))
	ok(t, b.Client().Deregister(t.Context(), testToken))
	ok(t, b.SetSwitches(drstest.Switches{NotificationsV1: true}))
}

func TestRestore(t *testing.T) {
	kept := new(disk)
	before := open(t, drstest.Options{Save: kept.Save})
	busy(t, before)
	snapshot, err := before.Snapshot()
	ok(t, err)
	if diff := cmp.Diff(snapshot, kept.all()); diff != "" {
		t.Errorf("snapshot and what was saved (-snapshot +saved):\n%s", diff)
	}

	after := open(t, drstest.Options{Now: before.clock.Now})
	ok(t, after.Restore(kept.all()))
	if diff := cmp.Diff(before.Orders(), after.Orders()); diff != "" {
		t.Errorf("orders (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(before.Registrations(), after.Registrations()); diff != "" {
		t.Errorf("registrations (-before +after):\n%s", diff)
	}
	if !after.Switches().NotificationsV1 {
		t.Error("the switches are as new")
	}
	after.replenish(t, token, "filter", inProgress)
	if _, err := after.Client().Replenish(t.Context(), token, "bag"); !errors.Is(err, drs.ErrUnsubscribed) {
		t.Errorf("error = %v, want ErrUnsubscribed", err)
	}
	if _, err := after.Client().Subscriptions(t.Context(), testToken); !errors.Is(err, drs.ErrInvalidToken) {
		t.Errorf("a deregistered device: %v, want ErrInvalidToken", err)
	}
	before.clock.advance(drstest.DeliveryTime)
	ok(t, after.Tick())
	if got := after.inbox.types(); got != "ItemShipped ItemShipped" {
		t.Errorf("notifications = %s", got)
	}
	after.replenish(t, token, "filter", placed)
}

// Records come in any order, and orders of one instant too.
func TestRestoredLock(t *testing.T) {
	const at = `"at":"2026-01-08T10:00:00Z","since":"2026-01-08T10:00:00Z","device":{"model":"ACME-VAC-1","serial":"SN0001","customer_id":"amzn1.account.EXAMPLE"},"slot":{"id":"filter","subscribed":true,"asin":"","quantity":1,"unit":""}}`
	b := open(t, drstest.Options{Switches: &drstest.Switches{EmptyObject: true}})
	ok(t, b.Restore([]drstest.Record{
		{Key: "order/c", Value: json.RawMessage(`{"id":"c","state":"cancelled",` + at)},
		{Key: "order/b", Value: json.RawMessage(`{"id":"b","state":"placed",` + at)},
		{Key: "order/a", Value: json.RawMessage(`{"id":"a","state":"cancelled",` + at)},
		{Key: "order/gone"},
	}))
	if id := b.replenish(t, token, "filter", inProgress); id != "b" {
		t.Errorf("the open order is %s, want b", id)
	}
	if !b.Switches().EmptyObject {
		t.Error("records without switches have reset them")
	}
}

// What an answer says is on disk before the answer leaves.
func TestSavedBeforeAnswered(t *testing.T) {
	var saved list[string]
	b := open(t, drstest.Options{Save: func(records []drstest.Record) error {
		for _, r := range records {
			saved.add(strings.Split(r.Key, "/")[0])
		}
		return nil
	}})
	ok(t, b.Script(drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.DropAfter}))
	_, err := b.Client().Replenish(t.Context(), token, "filter")
	if err == nil {
		t.Fatal("the answer was not dropped")
	}
	if got := strings.Join(saved.take(), " "); got != "device order" {
		t.Errorf("saved = %s, want the device and its order", got)
	}
	b.replenish(t, token, "filter", inProgress)
	_, err = b.Client().Subscriptions(t.Context(), token)
	ok(t, err)
	if got := saved.take(); len(got) != 0 {
		t.Errorf("saved = %s, want nothing where nothing changed", got)
	}
}

func TestSaveFails(t *testing.T) {
	kept := new(disk)
	b := open(t, drstest.Options{Save: kept.Save})
	ok(t, b.Register(device))
	shipping := b.replenish(t, token, "bag", placed)
	ok(t, b.Client().SlotStatus(t.Context(), token, "bag", drs.SlotStatus{}))
	b.inbox.take()
	kept.full = errors.New("no space left")
	if _, err := b.Client().Replenish(t.Context(), token, "filter"); !errors.Is(err, drs.ErrServer) {
		t.Errorf("replenish: %v, want a 500", err)
	}
	if err := b.Client().Deregister(t.Context(), token); !errors.Is(err, drs.ErrServer) {
		t.Errorf("deregister: %v, want a 500", err)
	}
	if err := b.Client().SlotStatus(t.Context(), token, "filter", drs.SlotStatus{}); !errors.Is(err, drs.ErrServer) {
		t.Errorf("slot status: %v, want a 500", err)
	}
	if err := b.Subscribe(device.Model, device.Serial, "filter", false); !errors.Is(err, kept.full) {
		t.Errorf("Subscribe: %v, want the error of Save", err)
	}
	if r := b.Registrations()[0]; !r.Slots[1].Subscribed || len(r.Reports) != 1 {
		t.Errorf("registration = %+v, want it unchanged", r)
	}
	b.clock.advance(drstest.CancelWindow)
	for name, err := range map[string]error{
		"Tick": b.Tick(), "Register": b.Register(testDevice), "Cancel": b.Cancel(shipping), "SetSwitches": b.SetSwitches(drstest.Switches{EmptyObject: true}),
	} {
		if !errors.Is(err, kept.full) {
			t.Errorf("%s: %v, want the error of Save", name, err)
		}
	}
	if len(b.Orders()) != 1 || len(b.Registrations()) != 1 || !b.Registrations()[0].Registered || b.Switches().EmptyObject || b.inbox.types() != "" {
		t.Error("something has changed that was not saved")
	}
	kept.full = nil
	ok(t, b.Tick())
	b.wantState(t, shipping, drstest.Shipped)
	if got := b.inbox.types(); got != "ItemShipped" {
		t.Errorf("notifications = %s", got)
	}
}

func TestRestoreRefuses(t *testing.T) {
	from := open(t, drstest.Options{})
	busy(t, from)
	good, err := from.Snapshot()
	ok(t, err)
	b := open(t, drstest.Options{})
	for name, bad := range map[string]drstest.Record{
		"unknown key":     {Key: "grant/1", Value: json.RawMessage(`{}`)},
		"no JSON":         {Key: "switches", Value: json.RawMessage(`{`)},
		"unknown member":  {Key: "switches", Value: json.RawMessage(`{"new":true}`)},
		"foreign key":     {Key: "order/x", Value: json.RawMessage(`{"id":"y","state":"placed"}`)},
		"no such state":   {Key: "order/x", Value: json.RawMessage(`{"id":"x","state":"flying"}`)},
		"foreign device":  {Key: "device/m/s", Value: json.RawMessage(`{"model":"m","serial":"t"}`)},
		"slot without ID": {Key: "device/m/s", Value: json.RawMessage(`{"model":"m","serial":"s","slots":[{}]}`)},
		"device is text":  {Key: "device/m/s", Value: json.RawMessage(`"m"`)},
	} {
		err := b.Restore(append(good[:len(good):len(good)], bad))
		if err == nil || !strings.Contains(err.Error(), bad.Key) {
			t.Errorf("%s: error = %v, want one that names the record", name, err)
		}
		if len(b.Orders()) != 0 || len(b.Registrations()) != 0 {
			t.Errorf("%s: something was restored", name)
		}
	}
}

func FuzzRestore(f *testing.F) {
	f.Add("order/x", []byte(`{"id":"x","state":"placed","since":"2026-01-08T10:00:00Z"}`))
	f.Add("order/x", []byte(`{"id":"x","state":"shipped","estimated_delivery":"0001-01-01T00:00:00Z"}`))
	f.Add("device/m/s", []byte(`{"model":"m","serial":"s","registered":true,"slots":[{"id":"filter","subscribed":true}]}`))
	f.Add("switches", []byte(`{"order_problem":true}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		s, err := drstest.New(drstest.Options{Authorize: drstest.Tokens(map[string]drstest.Device{token: {Model: "m", Serial: "s"}})})
		ok(t, err)
		if s.Restore([]drstest.Record{{Key: key, Value: value}}) != nil {
			return
		}
		ok(t, s.Tick())
		_, err = s.Client().Replenish(t.Context(), token, "filter")
		var answered *drs.Error
		if err != nil && !errors.As(err, &answered) {
			t.Errorf("Replenish: %v", err)
		}
		_, err = s.Snapshot()
		ok(t, err)
	})
}

func TestJournal(t *testing.T) {
	b := open(t, drstest.Options{})
	c, ctx := b.Client(), t.Context()
	b.replenish(t, token, "filter", placed)
	_, _ = c.Replenish(ctx, token, "nothing") // these fail, and are written down all the same
	_, _ = c.Replenish(ctx, "Atza|canary-unknown", "filter")
	_, _ = c.Replenish(ctx, token, token) // a client that has mixed its arguments up
	_, _ = c.Replenish(ctx, token, "Atzr|canary-refresh")
	_, _ = c.Replenish(ctx, token, strings.Repeat("ü", 100))
	_ = b.ask(t, "PUT", "/"+token, "X", "Y", "", nil)
	ok(t, c.DeregisterV1(ctx, token, device.Model, device.Serial))
	var got []string
	for i, e := range b.Journal() {
		if e.Seq != int64(i+1) || !e.At.Equal(start) {
			t.Errorf("entry = %+v", e)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s %d %s", e.Method, e.Route, strings.Join(e.Params, ","), e.Serial, e.Status, e.Outcome))
	}
	want := []string{
		"POST replenish filter SN0001 200 order placed",
		"POST replenish nothing SN0001 404 unknown slot",
		"POST replenish filter  400 invalid token",
		"POST replenish (a token) SN0001 404 unknown slot",
		"POST replenish (a token) SN0001 404 unknown slot",
		"POST replenish " + strings.Repeat("ü", 32) + " SN0001 404 unknown slot",
		"PUT    404 no such path",
		"DELETE deregister ACME-VAC-1,SN0001 SN0001 200 deregistered",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	all, err := json.Marshal(b.Journal())
	ok(t, err)
	if strings.Contains(string(all), "canary") {
		t.Errorf("the journal holds a token: %s", all)
	}
	for range 1200 {
		b.replenish(t, testToken, "filter", [2]string{testPlaced, inProgress}[min(len(b.Orders())-1, 1)])
	}
	entries := b.Journal()
	if len(entries) != 1000 || entries[0].Seq != 209 || entries[999].Seq != 1208 {
		t.Errorf("the journal has %d entries, %d to %d", len(entries), entries[0].Seq, entries[len(entries)-1].Seq)
	}
}

// A sandbox that runs for months forgets the oldest orders, but not an open one.
func TestOrdersAreBounded(t *testing.T) {
	kept := new(disk)
	b := open(t, drstest.Options{MaxOrders: 3, Save: kept.Save})
	open := b.replenish(t, token, "filter", placed)
	var ids []string
	for range 4 {
		id := b.replenish(t, token, "bag", placed)
		ok(t, b.Cancel(id))
		b.clock.advance(time.Minute)
		ids = append(ids, id)
	}
	last := b.replenish(t, token, "bag", placed)
	var got, saved []string
	for _, o := range b.Orders() {
		got = append(got, o.ID)
	}
	for _, r := range kept.all() {
		if id, isOrder := strings.CutPrefix(r.Key, "order/"); isOrder {
			saved = append(saved, id)
		}
	}
	want := []string{open, ids[3], last}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, saved); diff != "" {
		t.Errorf("saved orders (-want +got):\n%s", diff)
	}
}
