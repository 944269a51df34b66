package drs_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/drs"
)

func number(f float64) *float64 { return &f }

// The requests are those of Amazon's pages, header by header.
func TestRequests(t *testing.T) {
	const prefix = "com.amazon.dash.replenishment."
	at := time.Date(2026, 1, 8, 11, 0, 0, 123, time.FixedZone("CET", 3600))
	for _, tt := range []struct {
		name, answer      string
		call              func(context.Context, *drs.Client) error
		method, uri       string
		input, result     string
		contentType, sent string
	}{
		{
			name: "replenish", answer: `{"eventInstanceId":"amzn1.dash.v2.o.1","detailCode":"STANDARD_ORDER_PLACED"}`,
			call: func(ctx context.Context, c *drs.Client) error {
				_, err := c.Replenish(ctx, canary, "filterSlot")
				return err
			},
			method: "POST", uri: "/replenish/filterSlot", input: "DrsReplenishInput@1.0", result: "DrsReplenishResult@1.0",
		},
		{
			name: "slot status",
			call: func(ctx context.Context, c *drs.Client) error {
				return c.SlotStatus(ctx, canary, "filterSlot", drs.SlotStatus{
					ExpectedReplenishment: at.AddDate(0, 0, 7), Remaining: number(3.5), Original: number(10), OnHand: number(20), LastUse: at,
				})
			},
			method: "POST", uri: "/slotStatus/filterSlot", input: "DrsSlotStatusInput@1.0", result: "DrsSlotStatusResult@1.0",
			contentType: "application/json",
			sent: `{"expectedReplenishmentDate":"2026-01-15T10:00:00Z","remainingQuantityInUnit":3.5,"originalQuantityInUnit":10,` +
				`"totalQuantityOnHand":20,"lastUseDate":"2026-01-08T10:00:00Z"}`,
		},
		{
			name: "slot status with nothing but zero left",
			call: func(ctx context.Context, c *drs.Client) error {
				return c.SlotStatus(ctx, canary, "filterSlot", drs.SlotStatus{Remaining: number(0)})
			},
			method: "POST", uri: "/slotStatus/filterSlot", input: "DrsSlotStatusInput@1.0", result: "DrsSlotStatusResult@1.0",
			contentType: "application/json", sent: `{"remainingQuantityInUnit":0}`,
		},
		{
			name:   "device status",
			call:   func(ctx context.Context, c *drs.Client) error { return c.DeviceStatus(ctx, canary, at) },
			method: "POST", uri: "/deviceStatus", input: "DrsDeviceStatusInput@1.0", result: "DrsDeviceStatusResult@1.0",
			contentType: "application/json", sent: `{"mostRecentlyActiveDate":"2026-01-08T10:00:00Z"}`,
		},
		{
			name: "subscription info", answer: `{"slotsSubscriptionStatus":{}}`,
			call: func(ctx context.Context, c *drs.Client) error {
				_, err := c.Subscriptions(ctx, canary)
				return err
			},
			method: "GET", uri: "/subscriptionInfo", input: "DrsSubscriptionInfoInput@1.0", result: "DrsSubscriptionInfoResult@2.0",
		},
		{
			name: "subscription info 1.0", answer: `{"slotsSubscriptionStatus":{}}`,
			call: func(ctx context.Context, c *drs.Client) error {
				_, err := c.SubscriptionsV1(ctx, canary)
				return err
			},
			method: "GET", uri: "/subscriptionInfo", input: "DrsSubscriptionInfoInput@1.0", result: "DrsSubscriptionInfoResult@1.0",
		},
		{
			name: "order info", answer: `{"orderInfoData":{"instanceId":"amzn1.dash.v1.o.a/b+c="}}`,
			call: func(ctx context.Context, c *drs.Client) error {
				_, err := c.Order(ctx, canary, "amzn1.dash.v1.o.a/b+c=")
				return err
			},
			method: "GET", uri: "/getOrderInfo/amzn1.dash.v1.o.a%2Fb%2Bc%3D", input: "DrsOrderInfoInput@1.0", result: "DrsOrderInfoResult@1.0",
		},
		{
			name:   "deregister",
			call:   func(ctx context.Context, c *drs.Client) error { return c.Deregister(ctx, canary) },
			method: "DELETE", uri: "/registration", input: "DrsDeregisterInput@2.0", result: "DrsDeregisterResult@1.0",
		},
		{
			name: "deregister 1.0",
			call: func(ctx context.Context, c *drs.Client) error {
				return c.DeregisterV1(ctx, canary, "ACME-VAC-1", "SN+1")
			},
			method: "DELETE", uri: "/deviceModels/ACME-VAC-1/devices/SN%2B1/registration", input: "DrsDeregisterInput@1.0", result: "DrsDeregisterResult@1.0",
		},
		{
			name: "cancel test order", answer: `{"slotOrderStatuses":[]}`,
			call: func(ctx context.Context, c *drs.Client) error {
				_, err := c.CancelTestOrder(ctx, canary, "slot1")
				return err
			},
			method: "DELETE", uri: "/testOrders/slots/slot1", input: "DrsCancelTestOrdersInput@1.0", result: "DrsCancelTestOrdersResult@1.0",
		},
		{
			name: "cancel test orders", answer: `{"slotOrderStatuses":[]}`,
			call: func(ctx context.Context, c *drs.Client) error {
				_, err := c.CancelTestOrders(ctx, canary)
				return err
			},
			method: "DELETE", uri: "/testOrders", input: "DrsCancelTestOrdersInput@1.0", result: "DrsCancelTestOrdersResult@1.0",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, canned{status: 200, body: tt.answer})
			if err := tt.call(t.Context(), w.client()); err != nil {
				t.Fatalf("call: %v", err)
			}
			r := w.one(t)
			if r.Method != tt.method || r.RequestURI != tt.uri {
				t.Errorf("request = %s %s, want %s %s", r.Method, r.RequestURI, tt.method, tt.uri)
			}
			for name, want := range map[string]string{
				"Authorization":       "Bearer " + canary,
				"x-amzn-type-version": prefix + tt.input,
				"x-amzn-accept-type":  prefix + tt.result,
				"Content-Type":        tt.contentType,
			} {
				if got := strings.Join(r.Header.Values(name), "|"); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if got := r.Form["body"][0]; got != tt.sent {
				t.Errorf("body = %s, want %s", got, tt.sent)
			}
			if r.ContentLength != int64(len(tt.sent)) || len(r.TransferEncoding) != 0 {
				t.Errorf("Content-Length = %d, Transfer-Encoding = %q", r.ContentLength, r.TransferEncoding)
			}
		})
	}
}

// The URI is read as it came over the wire, before any server has cleaned it.
func TestSlotsInThePath(t *testing.T) {
	for slot, want := range map[string]string{
		"PaperTowel":                           "PaperTowel",
		"f76f5d12-1404-483a-97b1-f3fdc1dcf869": "f76f5d12-1404-483a-97b1-f3fdc1dcf869",
		"a.b_c~d":                              "a.b_c~d",
		"a/b":                                  "a%2Fb",
		"/":                                    "%2F",
		".":                                    "%2E",
		"..":                                   "%2E%2E",
		"../registration":                      "..%2Fregistration",
		"100%":                                 "100%25",
		"%2e%2e":                               "%252e%252e",
		"two words":                            "two%20words",
		"a+b":                                  "a%2Bb",
		"a?b#c":                                "a%3Fb%23c",
		"größe":                                "gr%C3%B6%C3%9Fe",
		"洗剤":                                   "%E6%B4%97%E5%89%A4",
		"a\r\nX-Evil: 1":                       "a%0D%0AX-Evil%3A%201",
		"\xff":                                 "%FF",
	} {
		w := newWire(t, canned{status: 200, body: `{"eventInstanceId":"1","detailCode":"X"}`})
		if _, err := w.client().Replenish(t.Context(), canary, slot); err != nil {
			t.Errorf("Replenish(%q): %v", slot, err)
			continue
		}
		if got := w.one(t).RequestURI; got != "/replenish/"+want {
			t.Errorf("Replenish(%q) asked for %s, want /replenish/%s", slot, got, want)
		}
	}
}

func TestBaseURL(t *testing.T) {
	var asked string
	hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return nil, http.ErrServerClosed
	})}
	for base, want := range map[string]string{
		"":                      "https://dash-replenishment-service-na.amazon.com/registration",
		"http://localhost:8081": "http://localhost:8081/registration",
		"http://localhost/drs/": "http://localhost/drs/registration",
	} {
		_ = (&drs.Client{BaseURL: base, HTTPClient: hc}).Deregister(t.Context(), canary) // fails, once it has asked
		if asked != want {
			t.Errorf("BaseURL %q asked for %s, want %s", base, asked, want)
		}
	}
	asked = ""
	for _, base := range []string{"localhost:8081", "drs", "http://", "::", "/drs", "ftp://localhost", "https://localhost/?x=1", "https://localhost/#x"} {
		wantKind(t, (&drs.Client{BaseURL: base, HTTPClient: hc}).Deregister(t.Context(), canary), drs.ErrBadRequest)
		if asked != "" {
			t.Errorf("BaseURL %q asked for %s, want nothing sent", base, asked)
		}
	}
}

func FuzzSlotInThePath(f *testing.F) {
	for _, slot := range []string{"filter", "/", "..", "%2F", "ü", "a b", "\x00", "?", "..\\.."} {
		f.Add(slot)
	}
	f.Fuzz(func(t *testing.T, slot string) {
		var path string
		_, err := clientOf(func(r *http.Request) (*http.Response, error) {
			path = r.URL.EscapedPath()
			return nil, http.ErrServerClosed
		}).Replenish(t.Context(), canary, slot)
		if slot == "" || len(slot) > 255 {
			wantKind(t, err, drs.ErrBadRequest)
			return
		}
		segment, ok := strings.CutPrefix(path, "/replenish/")
		if !ok || strings.Contains(segment, "/") || segment == "." || segment == ".." {
			t.Fatalf("Replenish(%q) asked for %q", slot, path)
		}
		if got := unescape(t, segment); got != slot {
			t.Errorf("Replenish(%q) asked for the slot %q", slot, got)
		}
	})
}
