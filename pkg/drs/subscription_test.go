package drs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs"
)

func TestSubscriptions(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []drs.Slot // nil: ErrUnexpected
	}{
		{
			"2.0", `{"slotsSubscriptionStatus":{
				"slot2":{"subscribed":false,"productInfoList":[{"asin":"B00EXAMPL2","quantity":1.5,"unit":"Count"}]},
				"slot1":{"subscribed":true,"productInfoList":[{"asin":"B00EXAMPLE","quantity":1,"unit":"count"}]}}}`,
			[]drs.Slot{
				{ID: "slot1", Subscribed: true, Products: []drs.Product{{ASIN: "B00EXAMPLE", Quantity: 1, Unit: "count"}}},
				{ID: "slot2", Products: []drs.Product{{ASIN: "B00EXAMPL2", Quantity: 1.5, Unit: "Count"}}},
			},
		},
		{"1.0", `{"slotsSubscriptionStatus":{"slot1":true,"slot2":false}}`, []drs.Slot{{ID: "slot1", Subscribed: true}, {ID: "slot2"}}},
		{"unknown members", `{"a":1,"slotsSubscriptionStatus":{"s":{"subscribed":true,"since":2016,"productInfoList":null}}}`, []drs.Slot{{ID: "s", Subscribed: true}}},
		{"no slots", `{"slotsSubscriptionStatus":{}}`, []drs.Slot{}},
		{"no status", `{}`, nil},
		{"null", `{"slotsSubscriptionStatus":null}`, nil},
		{"list", `{"slotsSubscriptionStatus":[]}`, nil},
		{"slot is null", `{"slotsSubscriptionStatus":{"s":null}}`, nil},
		{"slot is text", `{"slotsSubscriptionStatus":{"s":"true"}}`, nil},
		{"slot doesn't say", `{"slotsSubscriptionStatus":{"s":{"productInfoList":[]}}}`, nil},
		{"slot without ID", `{"slotsSubscriptionStatus":{"":true}}`, nil},
		{"slot with a long ID", `{"slotsSubscriptionStatus":{"` + strings.Repeat("s", 256) + `":true}}`, nil},
		{"empty", ``, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newWire(t, canned{status: 200, body: tt.body}).client().Subscriptions(t.Context(), canary)
			if tt.want == nil {
				wantKind(t, err, drs.ErrUnexpected)
				return
			}
			if err != nil {
				t.Fatalf("Subscriptions: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	const documented = `{"orderInfoData":{"instanceId":"amzn1.dash.v2.o.EXAMPLE","orderItems":[
		{"asin":"B00EXAMPLE","expectedDeliveryDate":"2026-01-15T07:59:59.000Z","quantity":1,"slotId":"PaperTowel","status":"Processing"}]}}`
	for _, tt := range []struct {
		name, body string
		want       []drs.OrderItem
		bad        bool
	}{
		{"documented", documented, []drs.OrderItem{{
			ASIN: "B00EXAMPLE", SlotID: "PaperTowel", Status: drs.StatusProcessing,
			ExpectedDelivery: "2026-01-15T07:59:59.000Z", Quantity: 1,
		}}, false},
		{
			"in the resolution flow", strings.Replace(documented, `"2026-01-15T07:59:59.000Z"`, "null", 1),
			[]drs.OrderItem{{ASIN: "B00EXAMPLE", SlotID: "PaperTowel", Status: "Processing", Quantity: 1}},
			false,
		},
		{"status of tomorrow", `{"orderInfoData":{"instanceId":"amzn1.dash.v2.o.EXAMPLE","orderItems":[{"status":"Flying"}]}}`, []drs.OrderItem{{Status: "Flying"}}, false},
		{"no items", `{"orderInfoData":{"instanceId":"amzn1.dash.v2.o.EXAMPLE"}}`, nil, false},
		{"another order", `{"orderInfoData":{"instanceId":"amzn1.dash.v2.o.OTHER"}}`, nil, true},
		{"no data", `{}`, nil, true},
		{"data is null", `{"orderInfoData":null}`, nil, true},
		{"quantity is text", `{"orderInfoData":{"instanceId":"amzn1.dash.v2.o.EXAMPLE","orderItems":[{"quantity":"1"}]}}`, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newWire(t, canned{status: 200, body: tt.body}).client().Order(t.Context(), canary, "amzn1.dash.v2.o.EXAMPLE")
			if tt.bad {
				wantKind(t, err, drs.ErrUnexpected)
				return
			}
			if err != nil {
				t.Fatalf("Order: %v", err)
			}
			if diff := cmp.Diff(&drs.Order{InstanceID: "amzn1.dash.v2.o.EXAMPLE", Items: tt.want}, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

// Editions of Amazon's page spell it differently.
func TestCancelled(t *testing.T) {
	for status, want := range map[string]bool{
		"Cancelled": true, "Canceled": true, "CANCELLED": true, "Processing": false, "Shipped": false, "": false,
	} {
		if got := (drs.OrderItem{Status: status}).Cancelled(); got != want {
			t.Errorf("Cancelled() of %q = %v, want %v", status, got, want)
		}
	}
}

func TestCancelTestOrders(t *testing.T) {
	const documented = `{"slotOrderStatuses":[{"orderStatus":"NO_ORDER_IN_PROGRESS","slotId":"slot1"},{"orderStatus":"SOMETHING","slotId":"slot2"}]}`
	got, err := newWire(t, canned{status: 200, body: documented}).client().CancelTestOrders(t.Context(), canary)
	if err != nil {
		t.Fatalf("CancelTestOrders: %v", err)
	}
	want := []drs.SlotOrder{{SlotID: "slot1", Status: drs.NoOrderInProgress}, {SlotID: "slot2", Status: "SOMETHING"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
	for _, body := range []string{"", "{}", `{"slotOrderStatuses":null}`, `{"slotOrderStatuses":{}}`} {
		_, err := newWire(t, canned{status: 200, body: body}).client().CancelTestOrder(t.Context(), canary, "slot1")
		wantKind(t, err, drs.ErrUnexpected)
	}
}
