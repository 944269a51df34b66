package drstest_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func TestRegister(t *testing.T) {
	b := open(t, drstest.Options{})
	ok(t, b.Register(device))
	seen := b.inbox.take()
	if len(seen) != 2 || seen[0].Type != drs.DeviceRegistered || seen[1].Type != drs.SubscriptionChanged {
		t.Fatalf("notifications = %+v", seen)
	}
	for _, n := range seen {
		if n.Model != device.Model || n.Serial != device.Serial || n.CustomerID != device.CustomerID || n.ClientID != device.ClientID || !n.Time.Equal(start) {
			t.Errorf("notification = %+v", n)
		}
	}
	if seen[0].ID == seen[1].ID || !strings.HasPrefix(seen[0].ID, "amzn1.dash.notification.v1.") {
		t.Errorf("notification IDs = %s, %s", seen[0].ID, seen[1].ID)
	}
	want := []drs.Slot{
		{ID: "bag", Subscribed: true, Products: []drs.Product{{ASIN: "B00EXAMPL2", Quantity: 1, Unit: "count"}}},
		{ID: "filter", Subscribed: true, Products: []drs.Product{{ASIN: "B00EXAMPLE", Quantity: 1, Unit: "count"}}},
	}
	if diff := cmp.Diff(want, seen[1].Slots); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
	for _, bad := range []drstest.Device{{}, {Model: "m"}, {Serial: "s"}} {
		if b.Register(bad) == nil {
			t.Errorf("Register(%+v) worked", bad)
		}
	}
}

func TestSubscribe(t *testing.T) {
	b := open(t, drstest.Options{})
	ok(t, b.Register(device))
	b.inbox.take()
	ok(t, b.Subscribe(device.Model, device.Serial, "bag", true)) // it is
	if got := b.inbox.types(); got != "" {
		t.Errorf("notifications = %s, want none where nothing changed", got)
	}
	ok(t, b.Subscribe(device.Model, device.Serial, "bag", false))
	seen := b.inbox.take()
	if len(seen) != 1 || seen[0].Type != drs.SubscriptionChanged || seen[0].Slots[0].Subscribed || !seen[0].Slots[1].Subscribed {
		t.Fatalf("notifications = %+v", seen)
	}
	slots, err := b.Client().Subscriptions(t.Context(), token)
	ok(t, err)
	if diff := cmp.Diff(seen[0].Slots, slots); diff != "" {
		t.Errorf("subscription info and notification (-notified +asked):\n%s", diff)
	}
	slots, err = b.Client().SubscriptionsV1(t.Context(), token)
	ok(t, err)
	if diff := cmp.Diff([]drs.Slot{{ID: "bag"}, {ID: "filter", Subscribed: true}}, slots); diff != "" {
		t.Errorf("subscriptions 1.0 (-want +got):\n%s", diff)
	}
	if b.Subscribe(device.Model, device.Serial, "nothing", true) == nil || b.Subscribe(device.Model, "SN0002", "bag", true) == nil {
		t.Error("what doesn't exist was subscribed")
	}
	// Signing in again keeps a customer's choice; another customer starts afresh.
	ok(t, b.Register(device))
	if got := b.Registrations()[0].Slots[0].Subscribed; got {
		t.Error("signing in again changed a subscription")
	}
	other := device
	other.CustomerID = "amzn1.account.OTHER"
	ok(t, b.Register(other))
	if got := b.Registrations()[0].Slots[0].Subscribed; !got {
		t.Error("another customer got the subscriptions of the first")
	}
	if _, err := b.Client().Subscriptions(t.Context(), token); !errors.Is(err, drs.ErrInvalidToken) {
		t.Errorf("the first customer's token: %v, want ErrInvalidToken", err)
	}
}

func TestModels(t *testing.T) {
	b := open(t, drstest.Options{Models: map[string][]drstest.Slot{"ACME-VAC-1": {
		{ID: "oil", ASIN: "B00EXAMPL3", Quantity: 1.5, Unit: "litre"}, {ID: "brush", Subscribed: true},
	}}})
	slots, err := b.Client().Subscriptions(t.Context(), token)
	ok(t, err)
	want := []drs.Slot{
		{ID: "brush", Subscribed: true, Products: []drs.Product{{}}},
		{ID: "oil", Products: []drs.Product{{ASIN: "B00EXAMPL3", Quantity: 1.5, Unit: "litre"}}},
	}
	if diff := cmp.Diff(want, slots); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
	for name, slots := range map[string][]drstest.Slot{"empty": {{ID: ""}}, "twice": {{ID: "a"}, {ID: "a"}}} {
		if _, err := drstest.New(drstest.Options{Models: map[string][]drstest.Slot{"M": slots}}); err == nil {
			t.Errorf("a slot ID that is %s was taken", name)
		}
	}
}

func TestDeregister(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(*testing.T, sandbox) error
	}{
		{"v2", func(t *testing.T, b sandbox) error { return b.Client().Deregister(t.Context(), token) }},
		{"v1", func(t *testing.T, b sandbox) error {
			return b.Client().DeregisterV1(t.Context(), token, device.Model, device.Serial)
		}},
		{"at Amazon", func(_ *testing.T, b sandbox) error { return b.Deregister(device.Model, device.Serial) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ended list[drstest.Device]
			b := open(t, drstest.Options{Deregistered: func(d drstest.Device) { ended.add(d) }})
			ok(t, b.Register(device))
			b.inbox.take()
			id := b.replenish(t, token, "filter", placed)
			ok(t, tt.call(t, b))
			if got := ended.take(); !slices.Equal(got, []drstest.Device{device}) {
				t.Errorf("the hook heard of %+v", got)
			}
			if got := b.inbox.types(); got != "OrderPlaced DeviceDeregistered" {
				t.Errorf("notifications = %s", got)
			}
			if err := b.Client().Deregister(t.Context(), token); !errors.Is(err, drs.ErrInvalidToken) {
				t.Errorf("with a dead token: %v, want ErrInvalidToken", err)
			}
			ok(t, b.Deregister(device.Model, device.Serial)) // again: nothing
			if len(ended.take()) != 0 || b.inbox.types() != "" {
				t.Error("a device was deregistered twice")
			}
			if b.Subscribe(device.Model, device.Serial, "bag", false) == nil {
				t.Error("a deregistered device was subscribed")
			}
			b.travel(t, drstest.CancelWindow)
			b.wantState(t, id, drstest.Shipped) // what was ordered is shipped
			ok(t, b.Register(device))
			b.replenish(t, token, "bag", placed)
		})
	}
	t.Run("v1 for another device", func(t *testing.T) {
		b := open(t, drstest.Options{})
		if err := b.Client().DeregisterV1(t.Context(), token, device.Model, "SN0002"); !errors.Is(err, drs.ErrBadRequest) {
			t.Errorf("error = %v, want ErrBadRequest", err)
		}
		b.replenish(t, token, "filter", placed)
	})
	t.Run("unknown device", func(t *testing.T) {
		ok(t, open(t, drstest.Options{}).Deregister("nothing", "none"))
	})
}

// The shapes of Amazon's page, member by member.
func TestNotificationShapes(t *testing.T) {
	const head = `"deviceInfo":{"deviceIdentifier":{"serialNumber":"SN0001"},"productIdentifier":{"modelId":"ACME-VAC-1"}},
		"customerInfo":{"directedCustomerId":"amzn1.account.EXAMPLE"}`
	info := func(kind, at string) string {
		return `{"notificationInfo":{"notificationType":"` + kind + `","lwaClientId":"amzn1.application-oa2-client.EXAMPLE",
			"notificationTime":"` + at + `","notificationId":"NID","version":"2015-06-05"},` + head
	}
	const at = "2026-01-08T10:00:00.000Z"
	slotsV2 := `,"subscriptionInfo":{"slotsSubscriptionStatus":{
		"filter":{"subscribed":true,"productInfoList":[{"quantity":1.0,"unit":"count","asin":"B00EXAMPLE"}]},
		"bag":{"subscribed":true,"productInfoList":[{"quantity":1.0,"unit":"count","asin":"B00EXAMPL2"}]}}}}`
	orderV2 := `,"orderInfo":{"instanceId":"OID","slotId":"filter","productInfo":[
		{"quantity":1.0,"unit":"count","asin":"B00EXAMPLE","estimatedDeliveryDate":"2026-01-12T10:00:00Z"}]}}`
	slotsV1 := `,"subscriptionInfo":{"slotsSubscriptionStatus":{"filter":true,"bag":true}}}`
	orderV1 := `,"orderInfo":{"instanceId":"OID","slotId":"filter","productInfo":[{"quantity":1.0,"unit":"count"}],
		"estimatedDeliveryDate":"2026-01-12T10:00:00Z"}}`
	for name, tt := range map[string]struct {
		v1           bool
		slots, order string
		version      map[string]string
	}{
		"v2": {false, slotsV2, orderV2, map[string]string{"version": "2.0"}},
		"v1": {true, slotsV1, orderV1, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, drstest.Options{Switches: &drstest.Switches{NotificationsV1: tt.v1}})
			ok(t, b.Register(device))
			id := b.replenish(t, token, "filter", placed)
			ok(t, b.Ship(id))
			ok(t, b.Deliver(id))
			cancelled := b.replenish(t, token, "filter", placed)
			ok(t, b.Cancel(cancelled))
			ok(t, b.Client().Deregister(t.Context(), token))
			none := map[string]string{}
			want := []struct {
				body       string
				attributes map[string]string
			}{
				{info("DeviceRegisteredNotification", at) + "}", none},
				{info("SubscriptionChangedNotification", at) + tt.slots, tt.version},
				{info("OrderPlacedNotification", at) + tt.order, tt.version},
				{info("ItemShippedNotification", at) + tt.order, tt.version},
				{info("OrderPlacedNotification", at) + tt.order, tt.version},
				{info("OrderCancelledNotification", at) + `,"orderInfo":{"instanceId":"OID","slotId":"filter"}}`, none},
				{info("DeviceDeregisteredNotification", at) + "}", none},
			}
			seen := b.inbox.take()
			if len(seen) != len(want) {
				t.Fatalf("%d notifications, want %d", len(seen), len(want))
			}
			for i, n := range seen {
				body := strings.NewReplacer(n.ID, "NID", id, "OID", cancelled, "OID").Replace(n.body)
				if diff := cmp.Diff(members(t, want[i].body), members(t, body)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", n.Type, diff)
				}
				if diff := cmp.Diff(want[i].attributes, n.attributes); diff != "" {
					t.Errorf("attributes of %s (-want +got):\n%s", n.Type, diff)
				}
			}
			if !strings.Contains(seen[2].body, `"quantity":1.0,`) {
				t.Errorf("quantity is not written as a decimal: %s", seen[2].body)
			}
		})
	}
}

func members(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// A hook holds nothing up: it may ask and change the server that called it.
func TestHooksMayCallTheServer(t *testing.T) {
	var b sandbox
	var types list[string]
	var busy atomic.Bool
	b = open(t, drstest.Options{
		Notify: func(body []byte, _ map[string]string) {
			if busy.Swap(true) {
				t.Error("two notifications at a time")
			}
			defer busy.Store(false)
			n, err := drs.ParseNotification(body)
			ok(t, err)
			types.add(string(n.Type))
			if n.Type == drs.DeviceRegistered {
				ok(t, b.Subscribe(n.Model, n.Serial, "bag", false))
			}
			b.Orders()
		},
		Deregistered: func(d drstest.Device) { ok(t, b.Register(d)) },
	})
	ok(t, b.Register(device))
	want := []string{"DeviceRegisteredNotification", "SubscriptionChangedNotification", "SubscriptionChangedNotification"}
	if diff := cmp.Diff(want, types.take()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	ok(t, b.Client().Deregister(t.Context(), token))
	b.replenish(t, token, "filter", placed)
}

// A hook that panics spoils its own call only.
func TestNotifyThatPanics(t *testing.T) {
	var types list[string]
	b := open(t, drstest.Options{Notify: func(body []byte, _ map[string]string) {
		n, err := drs.ParseNotification(body)
		ok(t, err)
		types.add(string(n.Type))
		if n.Type == drs.DeviceRegistered {
			panic("in the hook")
		}
	}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = b.Register(device) // panics
	}()
	b.replenish(t, token, "filter", placed)
	want := []string{"DeviceRegisteredNotification", "SubscriptionChangedNotification", "OrderPlacedNotification"}
	if diff := cmp.Diff(want, types.take()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
}
