package drstest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// calls is the table of Amazon's API overview.
var calls = []struct{ method, path, input, result, body string }{
	{"POST", "/replenish/filter", "DrsReplenishInput@1.0", "DrsReplenishResult@1.0", ""},
	{"POST", "/slotStatus/filter", "DrsSlotStatusInput@1.0", "DrsSlotStatusResult@1.0", "{}"},
	{"POST", "/deviceStatus", "DrsDeviceStatusInput@1.0", "DrsDeviceStatusResult@1.0", `{"mostRecentlyActiveDate":"2026-01-08T10:00:00Z"}`},
	{"GET", "/subscriptionInfo", "DrsSubscriptionInfoInput@1.0", "DrsSubscriptionInfoResult@2.0", ""},
	{"GET", "/subscriptionInfo", "DrsSubscriptionInfoInput@1.0", "DrsSubscriptionInfoResult@1.0", ""},
	{"GET", "/getOrderInfo/{order}", "DrsOrderInfoInput@1.0", "DrsOrderInfoResult@1.0", ""},
	{"DELETE", "/testOrders/slots/filter", "DrsCancelTestOrdersInput@1.0", "DrsCancelTestOrdersResult@1.0", ""},
	{"DELETE", "/testOrders", "DrsCancelTestOrdersInput@1.0", "DrsCancelTestOrdersResult@1.0", ""},
	{"DELETE", "/registration", "DrsDeregisterInput@2.0", "DrsDeregisterResult@1.0", ""},
	{"DELETE", "/deviceModels/ACME-VAC-1/devices/SN0001/registration", "DrsDeregisterInput@1.0", "DrsDeregisterResult@1.0", ""},
}

func TestEveryCallAndItsVersions(t *testing.T) {
	for _, call := range calls {
		t.Run(call.method+" "+call.path+" "+call.result, func(t *testing.T) {
			b := open(t, drstest.Options{Switches: &drstest.Switches{CancelRealOrders: true}})
			path := strings.ReplaceAll(call.path, "{order}", b.replenish(t, token, "bag", "STANDARD_ORDER_PLACED"))
			ask := func(edit func(http.Header)) *http.Response {
				return b.ask(t, call.method, path, call.input, call.result, call.body, edit)
			}
			for name, edit := range map[string]func(http.Header){
				"no type version":      func(h http.Header) { h.Del("x-amzn-type-version") },
				"no accept type":       func(h http.Header) { h.Del("x-amzn-accept-type") },
				"empty type version":   func(h http.Header) { h.Set("x-amzn-type-version", "") },
				"unknown type version": func(h http.Header) { h.Set("x-amzn-type-version", prefix+strings.Split(call.input, "@")[0]+"@9.0") },
				"unknown accept type":  func(h http.Header) { h.Set("x-amzn-accept-type", prefix+strings.Split(call.result, "@")[0]+"@9.0") },
				"no prefix":            func(h http.Header) { h.Set("x-amzn-accept-type", call.result) },
				"the old page's space": func(h http.Header) { h.Set("x-amzn-type-version", "com.amazon.dash.replenishment. "+call.input) },
				"the name repeated":    func(h http.Header) { h.Set("x-amzn-type-version", "x-amzn-type-version: "+prefix+call.input) },
				"twice":                func(h http.Header) { h.Add("x-amzn-type-version", prefix+call.input) },
				"swapped": func(h http.Header) {
					h.Set("x-amzn-type-version", prefix+call.result)
					h.Set("x-amzn-accept-type", prefix+call.input)
				},
			} {
				res := ask(edit)
				wantMessage(t, name, res, 400)
			}
			res := ask(nil)
			if res.StatusCode != 200 {
				t.Fatalf("status = %d %s, want 200", res.StatusCode, text(t, res))
			}
			if got := res.Header.Get("x-amzn-type-version"); got != prefix+call.result {
				t.Errorf("x-amzn-type-version = %q, want %q", got, prefix+call.result)
			}
			if got := text(t, res); got == "" != (res.Header.Get("Content-Type") == "") {
				t.Errorf("Content-Type of %q = %q", got, res.Header.Get("Content-Type"))
			}
		})
	}
}

// wantMessage wants a refusal with a sentence.
func wantMessage(t *testing.T, name string, res *http.Response, status int) {
	t.Helper()
	var body struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(text(t, res)), &body); err != nil || body.Message == "" || res.StatusCode != status {
		t.Errorf("%s: answer = %d %+v, %v, want %d with a message", name, res.StatusCode, body, err, status)
	}
	if body.Message == "Invalid token" {
		t.Errorf("%s is blamed on the token", name)
	}
}

// Section by section the reply that was recorded from Amazon.
func TestReplyToABadToken(t *testing.T) {
	b := open(t, drstest.Options{})
	for name, authorization := range map[string][]string{
		"none":           nil,
		"empty":          {""},
		"unknown":        {"Bearer Atza|unknown"},
		"no scheme":      {token},
		"another scheme": {"Basic " + token},
		"lower case":     {"bearer " + token},
		"no token":       {"Bearer "},
		"two":            {"Bearer " + token, "Bearer " + token},
		"space":          {"Bearer  " + token},
	} {
		for _, call := range calls {
			res := b.ask(t, call.method, call.path, call.input, call.result, call.body, func(h http.Header) { h["Authorization"] = authorization })
			if got := text(t, res); res.StatusCode != 400 || got != `{"message":"Invalid token"}` {
				t.Errorf("%s, %s: answer = %d %s", name, call.path, res.StatusCode, got)
			}
			want := http.Header{
				"X-Amz-Date":       {"Thu, 08 Jan 2026 10:00:00 GMT"},
				"X-Amzn-Errortype": {"InvalidTokenException:http://internal.amazon.com/coral/com.amazon.parkeraccioservice/"},
				"Content-Type":     {"application/json"},
				"Content-Length":   {"27"},
			}
			id := res.Header.Get("X-Amzn-RequestId")
			if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
				t.Errorf("%s: X-Amzn-RequestId = %q", name, id)
			}
			res.Header.Del("X-Amzn-RequestId")
			res.Header.Del("Date") // net/http's own
			if diff := cmp.Diff(want, res.Header); diff != "" {
				t.Errorf("%s: headers (-want +got):\n%s", name, diff)
			}
		}
	}
	gullible := open(t, drstest.Options{Authorize: func(string) (drstest.Device, bool) { return device, true }})
	res := gullible.ask(t, "POST", "/replenish/filter", "DrsReplenishInput@1.0", "DrsReplenishResult@1.0", "", func(h http.Header) { h.Del("Authorization") })
	if got := text(t, res); got != `{"message":"Invalid token"}` {
		t.Errorf("no token where every token is good = %d %s", res.StatusCode, got)
	}
	if orders := b.Orders(); len(orders) != 0 {
		t.Errorf("bad tokens made the orders %+v", orders)
	}
}

func TestPathsAndMethods(t *testing.T) {
	b := open(t, drstest.Options{})
	for path, allow := range map[string]string{
		"/replenish/filter": "POST", "/registration": "DELETE", "/subscriptionInfo": "GET",
		"/testOrders": "DELETE", "/testOrders/slots/filter": "DELETE",
	} {
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"} {
			if method == allow {
				continue
			}
			res := b.ask(t, method, path, "X", "Y", "", nil)
			wantMessage(t, method+" "+path, res, 405)
			if got := res.Header.Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow = %q, want %q", method, path, got, allow)
			}
		}
	}
	for _, path := range []string{
		"/", "/replenish", "/replenish/", "/replenish/a/b", "/deviceStatus/filter", "/deviceStatus/", "/orderInfo/x", "//registration",
		"/registration/", "/Registration", "/testOrders/filter", "/deviceModels/m/devices/registration", "/replenish/filter/",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			wantMessage(t, method+" "+path, b.ask(t, method, path, "X", "Y", "", nil), 404)
		}
	}
}

// Known bad clients: one leaves %s in a path, one posts forms.
func TestBodies(t *testing.T) {
	b := open(t, drstest.Options{})
	slotStatus := func(body string) *http.Response {
		return b.ask(t, "POST", "/slotStatus/filter", "DrsSlotStatusInput@1.0", "DrsSlotStatusResult@1.0", body, nil)
	}
	deviceStatus := func(body string) *http.Response {
		return b.ask(t, "POST", "/deviceStatus", "DrsDeviceStatusInput@1.0", "DrsDeviceStatusResult@1.0", body, nil)
	}
	for _, body := range []string{
		"", "null", "[]", "7", `{`, `{}{}`, "remainingQuantityInUnit=3.5", `{"remainingQuantityInUnit":"3.5"}`,
		`{"lastUseDate":"yesterday"}`, `{"lastUseDate":7}`, `{"expectedReplenishmentDate":"2026-13-01"}`, `{"x":"` + strings.Repeat("x", 64<<10) + `"}`,
	} {
		wantMessage(t, "slot status "+body[:min(len(body), 50)], slotStatus(body), 400)
		wantMessage(t, "device status "+body[:min(len(body), 50)], deviceStatus(body), 400)
	}
	wantMessage(t, "device status without date", deviceStatus(`{}`), 400)
	wantMessage(t, "device status null", deviceStatus(`{"mostRecentlyActiveDate":null}`), 400)
	for _, body := range []string{
		`{}`, `{"remainingQuantityInUnit":3.5,"originalQuantityInUnit":10,"lastUseDate":"2015-06-01","new":1}`, `{"totalQuantityOnHand":null}`,
	} {
		if res := slotStatus(body); res.StatusCode != 200 || text(t, res) != "" {
			t.Errorf("slot status %s = %d, want an empty 200", body, res.StatusCode)
		}
	}
	for _, at := range []string{"2015-06-01", "2015-12-28T10:00:00Z", "2017-01-05T07:59:59.000Z"} {
		if res := deviceStatus(`{"mostRecentlyActiveDate":"` + at + `"}`); res.StatusCode != 200 {
			t.Errorf("device status of %s = %d, want 200", at, res.StatusCode)
		}
		if got := b.Registrations()[0].LastActive; got != at {
			t.Errorf("last active = %q, want %q", got, at)
		}
	}
	unknown := func() *http.Response {
		return b.ask(t, "POST", "/slotStatus/nothing", "DrsSlotStatusInput@1.0", "DrsSlotStatusResult@1.0", "{}", nil)
	}
	wantMessage(t, "unknown slot", unknown(), 400)
	strict := drstest.DefaultSwitches()
	strict.StrictSlotStatus, strict.EmptyObject, strict.SlotStatusNotFound = true, true, true
	ok(t, b.SetSwitches(strict))
	wantMessage(t, "unknown slot", unknown(), 404)
	wantMessage(t, "slot status without fields", slotStatus(`{"remainingQuantityInUnit":3.5}`), 400)
	const whole = `{"expectedReplenishmentDate":"2026-01-15T10:00:00Z","remainingQuantityInUnit":3.5,"originalQuantityInUnit":10,"lastUseDate":"2026-01-08T10:00:00Z"}`
	if res := slotStatus(whole); res.StatusCode != 200 || text(t, res) != "{}" {
		t.Errorf("slot status = %d, want 200 {}", res.StatusCode)
	}
	report := b.Registrations()[0].Reports["filter"]
	if report.Remaining == nil || *report.Remaining != 3.5 || report.OnHand != nil || !report.At.Equal(start) {
		t.Errorf("report = %+v", report)
	}
}

func TestSlotsAreAnyText(t *testing.T) {
	slots := []string{"filter", "a/b", "/", ".", "..", "100%", "%2F", "a b", "a+b", "größe", "洗剤", "?#", "testOrders"}
	var model []drstest.Slot
	for _, id := range slots {
		model = append(model, drstest.Slot{ID: id, Subscribed: true})
	}
	b := open(t, drstest.Options{Models: map[string][]drstest.Slot{device.Model: model}})
	for _, slot := range slots {
		id := b.replenish(t, token, slot, "STANDARD_ORDER_PLACED")
		if o, _ := b.Order(id); o.Slot.ID != slot {
			t.Errorf("order of %q is for %q", slot, o.Slot.ID)
		}
	}
	known, err := b.Client().Subscriptions(t.Context(), token)
	ok(t, err)
	var got []string
	for _, s := range known {
		got = append(got, s.ID)
	}
	slices.Sort(slots)
	if diff := cmp.Diff(slots, got); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
}

func FuzzRequests(f *testing.F) {
	for _, call := range calls {
		f.Add(call.method, call.path, prefix+call.input, prefix+call.result, "Bearer "+token, []byte(call.body))
	}
	f.Add("POST", "/replenish/%zz", "", "", "", []byte("x"))
	f.Add("DELETE", "/testOrders/filter", prefix+"DrsCancelTestOrdersInput@1.0", prefix+"DrsCancelTestOrdersResult@1.0", "Bearer "+testToken, []byte{})
	f.Fuzz(func(t *testing.T, method, path, input, accept, authorization string, body []byte) {
		s, err := drstest.New(drstest.Options{
			Authorize: drstest.Tokens(map[string]drstest.Device{token: device, testToken: testDevice}),
			Save:      new(disk).Save,
			Switches:  &drstest.Switches{ObsoleteTestOrders: true},
		})
		ok(t, err)
		u, err := url.ParseRequestURI(path)
		if err != nil || method == "" {
			return // net/http refuses it
		}
		for range 2 { // the second time to a server that has changed
			r := &http.Request{Method: method, URL: u, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body)))}
			r.Header.Set("x-amzn-type-version", input)
			r.Header.Set("x-amzn-accept-type", accept)
			r.Header.Set("Authorization", authorization)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if !slices.Contains([]int{200, 400, 404, 405}, w.Code) {
				t.Errorf("status = %d", w.Code)
			}
			if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("body = %q", w.Body)
			}
			if w.Code == 200 && authorization != "Bearer "+token && authorization != "Bearer "+testToken {
				t.Errorf("%q was let in", authorization)
			}
		}
		journal, err := json.Marshal(s.Journal())
		ok(t, err)
		if strings.Contains(string(journal), "canary") && !strings.Contains(path, "canary") {
			t.Errorf("the journal holds a token: %s", journal)
		}
		if len(s.Orders()) > 1 {
			t.Errorf("one slot has the orders %+v", s.Orders())
		}
	})
}
