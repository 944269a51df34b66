package drs_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs"
)

// message is a notification as Amazon's page has it; extra are its further members.
func message(kind, extra string) string {
	if extra != "" {
		extra = "," + extra
	}
	return `{"notificationInfo":{"notificationType":"` + kind + `","lwaClientId":"amzn1.application-oa2-client.EXAMPLE",
		"notificationTime":"2026-01-08T02:23:52.747Z","notificationId":"amzn1.dash.notification.v1.4eab8f47","version":"2015-06-05"},
		"deviceInfo":{"deviceIdentifier":{"serialNumber":"SN0001"},"productIdentifier":{"modelId":"ACME-VAC-1"}},
		"customerInfo":{"directedCustomerId":"amzn1.account.EXAMPLE"}` + extra + `}`
}

// parsed is what a message gives, apart from its order and slots.
func parsed(kind drs.NotificationType) drs.Notification {
	return drs.Notification{
		Type: kind, ID: "amzn1.dash.notification.v1.4eab8f47", Time: time.Date(2026, 1, 8, 2, 23, 52, 747e6, time.UTC),
		ClientID: "amzn1.application-oa2-client.EXAMPLE", Model: "ACME-VAC-1", Serial: "SN0001", CustomerID: "amzn1.account.EXAMPLE",
	}
}

const (
	orderV2 = `"orderInfo":{"instanceId":"amzn1.dash.v2.o.EXAMPLE","slotId":"filterSlot",
		"productInfo":[{"quantity":1.0,"unit":"count","asin":"B00EXAMPLE","estimatedDeliveryDate":"2026-01-15T07:59:59Z"}]}`
	orderV1 = `"orderInfo":{"instanceId":"amzn1.dash.v2.o.EXAMPLE","slotId":"filterSlot",
		"productInfo":[{"quantity":12.0,"unit":"Count"}],"estimatedDeliveryDate":"2026-01-15T06:59:59Z"}`
	slotsV2 = `"subscriptionInfo":{"slotsSubscriptionStatus":{
		"SlotId2":{"subscribed":false,"productInfoList":[{"quantity":1.0,"unit":"count","asin":"B00EXAMPL2"}]},
		"SlotId1":{"subscribed":true,"productInfoList":[{"quantity":1.0,"unit":"count","asin":"B00EXAMPLE"}]}}}`
)

func orderNoticeV2() *drs.OrderNotice {
	return &drs.OrderNotice{
		InstanceID: "amzn1.dash.v2.o.EXAMPLE", SlotID: "filterSlot", EstimatedDelivery: "2026-01-15T07:59:59Z",
		Products: []drs.Product{{ASIN: "B00EXAMPLE", Quantity: 1, Unit: "count"}},
	}
}

func TestParseNotification(t *testing.T) {
	registered := message("DeviceRegisteredNotification", "")
	quoted := strconv.Quote(strings.Join(strings.Fields(registered), ""))
	with := func(kind drs.NotificationType, f func(*drs.Notification)) drs.Notification {
		n := parsed(kind)
		f(&n)
		return n
	}
	for _, tt := range []struct {
		name, message string
		want          drs.Notification
	}{
		{"registered", registered, parsed(drs.DeviceRegistered)},
		{"deregistered", message("DeviceDeregisteredNotification", ""), parsed(drs.DeviceDeregistered)},
		{
			"subscription changed v2", message("SubscriptionChangedNotification", slotsV2),
			with(drs.SubscriptionChanged, func(n *drs.Notification) {
				n.Slots = []drs.Slot{
					{ID: "SlotId1", Subscribed: true, Products: []drs.Product{{ASIN: "B00EXAMPLE", Quantity: 1, Unit: "count"}}},
					{ID: "SlotId2", Products: []drs.Product{{ASIN: "B00EXAMPL2", Quantity: 1, Unit: "count"}}},
				}
			}),
		},
		{
			"subscription changed v1", message("SubscriptionChangedNotification", `"subscriptionInfo":{"slotsSubscriptionStatus":{"myFirstSlot":true,"mySecondSlot":false}}`),
			with(drs.SubscriptionChanged, func(n *drs.Notification) {
				n.Slots = []drs.Slot{{ID: "myFirstSlot", Subscribed: true}, {ID: "mySecondSlot"}}
			}),
		},
		{"order placed v2", message("OrderPlacedNotification", orderV2), with(drs.OrderPlaced, func(n *drs.Notification) { n.Order = orderNoticeV2() })},
		{"item shipped v2", message("ItemShippedNotification", orderV2), with(drs.ItemShipped, func(n *drs.Notification) { n.Order = orderNoticeV2() })},
		{
			"order placed v1", message("OrderPlacedNotification", orderV1), with(drs.OrderPlaced, func(n *drs.Notification) {
				n.Order = &drs.OrderNotice{
					InstanceID: "amzn1.dash.v2.o.EXAMPLE", SlotID: "filterSlot", EstimatedDelivery: "2026-01-15T06:59:59Z",
					Products: []drs.Product{{Quantity: 12, Unit: "Count"}},
				}
			}),
		},
		{
			"order cancelled", message("OrderCancelledNotification", `"orderInfo":{"instanceId":"amzn1.dash.v2.o.EXAMPLE","slotId":"filterSlot"}`),
			with(drs.OrderCancelled, func(n *drs.Notification) {
				n.Order = &drs.OrderNotice{InstanceID: "amzn1.dash.v2.o.EXAMPLE", SlotID: "filterSlot"}
			}),
		},
		{
			"item shipped as in the sample", strings.Replace(message("ItemShippedNotification", ""), `"amzn1.account.EXAMPLE"`, `"amzn1.account.EXAMPLE",`+orderV2, 1),
			with(drs.ItemShipped, func(n *drs.Notification) { n.Order = orderNoticeV2() }),
		},
		{"type of tomorrow", message("EventFailedNotification", ""), parsed("EventFailedNotification")},
		{"type of tomorrow with an order", message("ItemLostNotification", orderV2), with("ItemLostNotification", func(n *drs.Notification) { n.Order = orderNoticeV2() })},
		{"type of tomorrow about no device", `{"notificationInfo":{"notificationType":"Holiday"}}`, drs.Notification{Type: "Holiday"}},
		{"LWAClientId", strings.Replace(registered, "lwaClientId", "LWAClientId", 1), parsed(drs.DeviceRegistered)},
		{"no lwaClientId", strings.Replace(registered, `"lwaClientId":"amzn1.application-oa2-client.EXAMPLE",`, "", 1), with(drs.DeviceRegistered, func(n *drs.Notification) { n.ClientID = "" })},
		{"unknown members", strings.Replace(registered, `{"notificationInfo":{`, `{"new":[{}],"notificationInfo":{"more":{"a":1},`, 1), parsed(drs.DeviceRegistered)},
		{"date alone", strings.Replace(registered, "2026-01-08T02:23:52.747Z", "2026-01-08", 1), with(drs.DeviceRegistered, func(n *drs.Notification) { n.Time = time.Date(2026, 1, 8, 0, 0, 0, 0, time.UTC) })},
		{"another zone", strings.Replace(registered, "02:23:52.747Z", "03:23:52.747+01:00", 1), parsed(drs.DeviceRegistered)},
		{"time that is none", strings.Replace(registered, "2026-01-08T02:23:52.747Z", "yesterday", 1), with(drs.DeviceRegistered, func(n *drs.Notification) { n.Time = time.Time{} })},
		{"under default", `{"default":` + registered + `}`, parsed(drs.DeviceRegistered)},
		{"under default, as text", `{"default":` + quoted + `}`, parsed(drs.DeviceRegistered)},
		{"under email", `{"email":` + registered + `}`, parsed(drs.DeviceRegistered)},
		{"under http", `{"default":"see http","http":` + quoted + `}`, parsed(drs.DeviceRegistered)},
		{"under https", `{"default":"","email":7,"https":` + registered + `}`, parsed(drs.DeviceRegistered)},
		{"with another under default", strings.Replace(registered, `{"not`, `{"default":`+message("OrderPlacedNotification", orderV2)+`,"not`, 1), parsed(drs.DeviceRegistered)},
		{"white space", "\n\t " + registered + " \n", parsed(drs.DeviceRegistered)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := drs.ParseNotification([]byte(tt.message))
			if err != nil {
				t.Fatalf("ParseNotification: %v", err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("notification (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseNotificationRefuses(t *testing.T) {
	registered, long := message("DeviceRegisteredNotification", ""), strings.Repeat("x", 256)
	for _, tt := range []struct{ name, message, want string }{
		{"empty", "", "no JSON object"},
		{"no JSON", "Hello", "no JSON object"},
		{"null", "null", "no JSON object"},
		{"array", "[]", "no JSON object"},
		{"two messages", registered + registered, "no JSON object"},
		{"cut off", registered[:100], "no JSON object"},
		{"something else", `{"Type":"SubscriptionConfirmation"}`, "no notificationInfo"},
		{"wrapped nothing", `{"default":"{}"}`, "no notificationInfo"},
		{"wrapped twice", `{"default":{"default":` + registered + `}}`, "no notificationInfo"},
		{"over 256 KiB", `{"x":"` + strings.Repeat("x", 256<<10) + `"}`, "over 256 KiB"},
		{"no type", message("", ""), "notificationType"},
		{"type is a number", `{"notificationInfo":{"notificationType":7}}`, "notificationInfo.notificationType"},
		{"long type", message(long, ""), "notificationType"},
		{"type with a line", message(`a\nb`, ""), "notificationType"},
		{"long ID", strings.Replace(registered, "4eab8f47", long, 1), "notificationId"},
		{"long serial", strings.Replace(registered, "SN0001", long, 1), "serialNumber"},
		{"model with control character", strings.Replace(registered, "ACME-VAC-1", `A\u0007`, 1), "modelId"},
		{"no model", strings.Replace(registered, "ACME-VAC-1", "", 1), "which device"},
		{"no serial", strings.Replace(registered, "serialNumber", "dsn", 1), "which device"},
		{"order placed without order", message("OrderPlacedNotification", ""), "no orderInfo"},
		{"item shipped without order", message("ItemShippedNotification", slotsV2), "no orderInfo"},
		{"order cancelled without ID", message("OrderCancelledNotification", `"orderInfo":{"slotId":"filter"}`), "instanceId"},
		{"order with a long ID", message("OrderPlacedNotification", strings.Replace(orderV2, "EXAMPLE", long, 1)), "instanceId"},
		{"order with a long slot", message("OrderPlacedNotification", strings.Replace(orderV2, "filterSlot", long, 1)), "slotId"},
		{"subscription changed without slots", message("SubscriptionChangedNotification", ""), "no subscriptionInfo"},
		{"subscription is text", message("SubscriptionChangedNotification", `"subscriptionInfo":{"slotsSubscriptionStatus":{"s":"on"}}`), "neither true nor false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := drs.ParseNotification([]byte(tt.message))
			if err == nil || n != nil {
				t.Fatalf("ParseNotification() = %+v, %v, want an error", n, err)
			}
			if !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 300 {
				t.Errorf("error = %.400q, want a sentence with %q", err, tt.want)
			}
		})
	}
}

func FuzzParseNotification(f *testing.F) {
	for _, kind := range []string{"DeviceRegisteredNotification", "OrderPlacedNotification", "SubscriptionChangedNotification", "X"} {
		for _, extra := range []string{"", orderV1, orderV2, slotsV2, orderV1 + "," + slotsV2} {
			f.Add([]byte(message(kind, extra)))
			f.Add([]byte(`{"default":` + message(kind, extra) + `}`))
			f.Add([]byte(`{"https":` + strconv.Quote(message(kind, extra)) + `}`))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := drs.ParseNotification(text)
		if (n == nil) == (err == nil) {
			t.Fatalf("ParseNotification() = %+v, %v", n, err)
		}
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > 500 {
				t.Errorf("error = %q", err)
			}
			return
		}
		ids := []string{string(n.Type), n.ID, n.Model, n.Serial, n.CustomerID, n.ClientID}
		if n.Order != nil {
			ids = append(ids, n.Order.InstanceID, n.Order.SlotID)
		}
		for _, s := range n.Slots {
			ids = append(ids, s.ID)
		}
		for _, id := range ids {
			if len(id) > 255 || strings.ContainsFunc(id, unicode.IsControl) {
				t.Errorf("notification has the identifier %q", id)
			}
		}
		if _, err := json.Marshal(n); err != nil {
			t.Errorf("a notification can't be kept: %v", err)
		}
	})
}
