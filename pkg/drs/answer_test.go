package drs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/drs"
)

func unescape(t *testing.T, s string) string {
	t.Helper()
	out, err := url.PathUnescape(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return out
}

func TestReplenishAnswers(t *testing.T) {
	longest := strings.Repeat("i", 255)
	for _, tt := range []struct {
		name, body string
		want       *drs.ReplenishResult // nil: ErrUnexpected
	}{
		{"documented", `{"eventInstanceId":"amzn1.dash.v2.o.E","detailCode":"STANDARD_ORDER_PLACED"}`, &drs.ReplenishResult{"amzn1.dash.v2.o.E", drs.StandardOrderPlaced}},
		{"test", `{"eventInstanceId":"e","detailCode":"TEST_ORDER_PLACED"}`, &drs.ReplenishResult{"e", drs.TestOrderPlaced}},
		{"in progress", `{"eventInstanceId":"e","detailCode":"ORDER_INPROGRESS"}`, &drs.ReplenishResult{"e", drs.OrderInProgress}},
		{"code of tomorrow", `{"eventInstanceId":"e","detailCode":"ORDER_BY_DRONE","drone":7}`, &drs.ReplenishResult{"e", "ORDER_BY_DRONE"}},
		{"longest ID", `{"eventInstanceId":"` + longest + `","detailCode":"X"}`, &drs.ReplenishResult{longest, "X"}},
		{"ID too long", `{"eventInstanceId":"` + longest + `i","detailCode":"X"}`, nil},
		{"no ID", `{"detailCode":"STANDARD_ORDER_PLACED"}`, nil},
		{"ID with control character", `{"eventInstanceId":"a\u0000","detailCode":"X"}`, nil},
		{"ID is a number", `{"eventInstanceId":7,"detailCode":"X"}`, nil},
		{"no code", `{"eventInstanceId":"e"}`, nil},
		{"code too long", `{"eventInstanceId":"e","detailCode":"` + longest + `"}`, nil},
		{"empty", ``, nil},
		{"null", `null`, nil},
		{"array", `[]`, nil},
		{"truncated JSON", `{"eventInstanceId":"e",`, nil},
		{"sample without the comma", `{"eventInstanceId":"e" "detailCode":"X"}`, nil},
		{"HTML", `<!DOCTYPE html>`, nil},
		{"over 1 MiB", `{"eventInstanceId":"e","detailCode":"X","x":"` + strings.Repeat("x", 1<<20) + `"}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, canned{status: 200, body: tt.body})
			got, err := w.client().Replenish(t.Context(), canary, "filter")
			w.one(t)
			if tt.want == nil {
				if e := refusal(t, err, drs.ErrUnexpected); e.StatusCode != 200 || e.Message == "" || !e.Temporary() {
					t.Errorf("error = %+v, want a temporary 200 with a message", e)
				}
				if len(tt.body) > 1<<20 && !strings.Contains(err.Error(), "over 1 MiB") {
					t.Errorf("error = %v, want the reason", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("Replenish: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// The reply that was seen from Amazon, as it was seen.
var badToken = canned{
	status: 400,
	header: http.Header{
		"X-Amzn-Requestid": {"d296d296-d1d1-1111-8c8c-0b43820b4382"},
		"X-Amz-Date":       {"Mon, 02 Jan 2017 22:35:53 GMT"},
		"X-Amzn-Errortype": {"InvalidTokenException:http://internal.amazon.com/coral/com.amazon.parkeraccioservice/"},
	},
	body: `{"message":"Invalid token"}`,
}

func TestBadTokenReply(t *testing.T) {
	w := newWire(t, badToken)
	_, err := w.client().Replenish(t.Context(), canary, "filter")
	e := refusal(t, err, drs.ErrInvalidToken)
	want := &drs.Error{
		Op: drs.OpReplenish, StatusCode: 400, Type: "InvalidTokenException", Message: "Invalid token",
		RequestID: "d296d296-d1d1-1111-8c8c-0b43820b4382",
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	const text = "drs: replenish: 400 InvalidTokenException: Invalid token (request d296d296-d1d1-1111-8c8c-0b43820b4382)"
	if err.Error() != text {
		t.Errorf("text = %q, want %q", err, text)
	}
	if e.Temporary() {
		t.Error("a bad token is temporary")
	}
}

func TestRefusals(t *testing.T) {
	errorType := func(v string) http.Header { return http.Header{"X-Amzn-Errortype": {v}} }
	replenish := func(ctx context.Context, c *drs.Client) error {
		_, err := c.Replenish(ctx, canary, "DryDogFoodKibble1")
		return err
	}
	deviceStatus := func(ctx context.Context, c *drs.Client) error { return c.DeviceStatus(ctx, canary, time.Now()) }
	slotStatus := func(ctx context.Context, c *drs.Client) error {
		return c.SlotStatus(ctx, canary, "x", drs.SlotStatus{})
	}
	cancel := func(ctx context.Context, c *drs.Client) error {
		_, err := c.CancelTestOrder(ctx, canary, "x")
		return err
	}
	for _, tt := range []struct {
		name      string
		call      func(context.Context, *drs.Client) error
		answer    canned
		kind      error
		temporary bool
	}{
		{"bad token by message", replenish, canned{400, nil, `{"message":"Invalid token"}`}, drs.ErrInvalidToken, false},
		{"bad token by type", deviceStatus, canned{400, errorType("InvalidTokenException"), ``}, drs.ErrInvalidToken, false},
		{"bad token as 403", replenish, canned{403, nil, `{"message":"Invalid token"}`}, drs.ErrInvalidToken, false},
		{"unsubscribed", replenish, canned{400, nil, `{"message":"Unable to place order - slot : <DryDogFoodKibble1> is unsubscribed."}`}, drs.ErrUnsubscribed, false},
		{"unsubscribed as 500", replenish, canned{500, nil, `{"message":"Unable to place order - slot : <x> is unsubscribed."}`}, drs.ErrUnsubscribed, false},
		{"unsubscribed slot of 255 bytes", replenish, canned{400, nil, `{"message":"Unable to place order - slot : <` + strings.Repeat("x", 255) + `> is unsubscribed."}`}, drs.ErrUnsubscribed, false},
		{"unknown slot", replenish, canned{404, nil, ``}, drs.ErrUnknownSlot, false},
		{"unknown slot, slot status", slotStatus, canned{404, nil, `{}`}, drs.ErrUnknownSlot, false},
		{"unknown slot, cancel", cancel, canned{404, nil, ``}, drs.ErrUnknownSlot, false},
		{"404 without slot", deviceStatus, canned{404, nil, ``}, drs.ErrBadRequest, false},
		{"400 that says nothing", replenish, canned{400, nil, `<html>`}, drs.ErrBadRequest, false},
		{"400 of another kind", replenish, canned{400, errorType("ValidationException:http://x/"), `{"message":"No"}`}, drs.ErrBadRequest, false},
		{"401", replenish, canned{401, nil, `{}`}, drs.ErrBadRequest, false},
		{"408", replenish, canned{408, nil, ``}, drs.ErrBadRequest, true},
		{"429", replenish, canned{429, nil, ``}, drs.ErrThrottled, true},
		{"500", replenish, canned{500, nil, `{"message":"Invalid token"}`}, drs.ErrServer, true},
		{"503", deviceStatus, canned{503, nil, `<html>`}, drs.ErrServer, true},
		{"302", replenish, canned{302, http.Header{"Location": {"/elsewhere"}}, ``}, drs.ErrUnexpected, true},
		{"304", replenish, canned{304, nil, ``}, drs.ErrUnexpected, true},
		{"status 999", replenish, canned{999, nil, ``}, drs.ErrUnexpected, true},
		{"HTML for a device status", deviceStatus, canned{200, nil, `<html>`}, drs.ErrUnexpected, true},
		{"array for a slot status", slotStatus, canned{200, nil, `[]`}, drs.ErrUnexpected, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, tt.answer)
			e := refusal(t, tt.call(t.Context(), w.client()), tt.kind)
			if e.StatusCode != tt.answer.status || e.Temporary() != tt.temporary {
				t.Errorf("error = %d, temporary %v, want %d, %v", e.StatusCode, e.Temporary(), tt.answer.status, tt.temporary)
			}
			w.one(t) // once, whatever came back
		})
	}
}

// What DRS says is for people: bounded, and in one line.
func TestMessagesAreTidied(t *testing.T) {
	for message, want := range map[string]string{
		`  No.  `:                            "No.",
		`a\r\nb\u0000\u202ec`:                "abc",
		strings.Repeat("x", 512):             strings.Repeat("x", 512),
		strings.Repeat("x", 513):             strings.Repeat("x", 509) + "…",
		strings.Repeat("ü", 300):             strings.Repeat("ü", 254) + "…",
		strings.Repeat("x", 508) + "洗剤":      strings.Repeat("x", 508) + "…",
		strings.Repeat(`\u0007`, 600) + "ok": "ok",
	} {
		err := answering(canned{400, nil, `{"message":"` + message + `"}`}).Deregister(t.Context(), canary)
		if got := refusal(t, err, drs.ErrBadRequest).Message; got != want {
			t.Errorf("message %.20q… = %q, want %q", message, got, want)
		}
	}
	long := http.Header{"X-Amzn-Errortype": {strings.Repeat("T", 500) + ":x"}, "X-Amzn-Requestid": {strings.Repeat("r", 500)}}
	e := refusal(t, answering(canned{400, long, "{}"}).Deregister(t.Context(), canary), drs.ErrBadRequest)
	if len(e.Type) != 128 || len(e.RequestID) != 128 {
		t.Errorf("type and request ID have %d and %d bytes, want 128", len(e.Type), len(e.RequestID))
	}
}

func TestStatusAnswers(t *testing.T) {
	for _, body := range []string{"", "{}", " \n", " {\"later\": [1]} "} {
		c := newWire(t, canned{status: 200, body: body}).client()
		for name, err := range map[string]error{
			"SlotStatus":   c.SlotStatus(t.Context(), canary, "filter", drs.SlotStatus{}),
			"DeviceStatus": c.DeviceStatus(t.Context(), canary, time.Now()),
			"Deregister":   c.Deregister(t.Context(), canary),
			"DeregisterV1": c.DeregisterV1(t.Context(), canary, "m", "s"),
		} {
			if err != nil {
				t.Errorf("%s with the answer %q: %v", name, body, err)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	date := "Thu, 08 Jan 2026 10:00:00 GMT"
	for value, want := range map[string]time.Duration{
		"":                              0,
		"2":                             2 * time.Second,
		"0":                             0,
		"-5":                            0,
		"1.5":                           0,
		"soon":                          0,
		"99999999":                      time.Hour,
		"99999999999999999999":          time.Hour,
		"-99999999999999999999":         0,
		"Thu, 08 Jan 2026 10:00:30 GMT": 30 * time.Second,
		"Thu, 08 Jan 2026 09:00:00 GMT": 0,
		"Thu, 08 Jan 2099 10:00:00 GMT": time.Hour,
	} {
		err := answering(canned{429, http.Header{"Retry-After": {value}, "Date": {date}}, ""}).Deregister(t.Context(), canary)
		if e := refusal(t, err, drs.ErrThrottled); e.RetryAfter != want {
			t.Errorf("Retry-After %q = %v, want %v", value, e.RetryAfter, want)
		}
	}
}

func TestCallsThatAreNotSent(t *testing.T) {
	c := clientOf(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, http.ErrServerClosed
	})
	ctx, long := t.Context(), strings.Repeat("x", 256)
	replenish := func(token, slot string) error { _, err := c.Replenish(ctx, token, slot); return err }
	order := func(id string) error { _, err := c.Order(ctx, canary, id); return err }
	nan, infinite := math.NaN(), math.Inf(1)
	for name, err := range map[string]error{
		"no token":         replenish("", "filter"),
		"token with space": replenish("Atza|a b", "filter"),
		"token with line":  replenish("Atza|a\r\nX: 1", "filter"),
		"token unicode":    replenish("Atza|ü", "filter"),
		"huge token":       replenish(strings.Repeat("x", 8<<10+1), "filter"),
		"no slot":          replenish(canary, ""),
		"long slot":        replenish(canary, long),
		"no order":         order(""),
		"long order":       order(long),
		"no model":         c.DeregisterV1(ctx, canary, "", "s"),
		"no serial":        c.DeregisterV1(ctx, canary, "m", ""),
		"not a number":     c.SlotStatus(ctx, canary, "filter", drs.SlotStatus{Remaining: &nan}),
		"infinite":         c.SlotStatus(ctx, canary, "filter", drs.SlotStatus{Original: &infinite}),
		"never active":     c.DeviceStatus(ctx, canary, time.Time{}),
	} {
		t.Run(name, func(t *testing.T) {
			e := refusal(t, err, drs.ErrBadRequest)
			if e.StatusCode != 0 || e.Message == "" || e.Temporary() {
				t.Errorf("error = %+v, want a permanent one with a sentence", e)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newWire(t, canned{status: 200, body: "{}"})
	w := newWire(t, canned{status: 307, header: http.Header{"Location": {elsewhere.URL + "/registration"}}})
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	c := &drs.Client{BaseURL: w.URL, HTTPClient: hc}
	wantKind(t, c.Deregister(t.Context(), canary), drs.ErrUnexpected)
	w.one(t)
	if len(elsewhere.seen) != 0 {
		t.Errorf("the redirect was followed, with Authorization %q", elsewhere.seen[0].Header.Get("Authorization"))
	}
	if err := hc.CheckRedirect(nil, nil); err != nil {
		t.Error("the caller's client was changed")
	}
}

// broken is an answer whose body ends before its time.
func broken(status int) *drs.Client {
	return clientOf(func(r *http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader(`{"eventInst`), errReader{io.ErrUnexpectedEOF})
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}, Request: r, Body: io.NopCloser(body)}, nil
	})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestNoAnswer(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	closed := newWire(t, canned{status: 200})
	closed.Close()
	replenish := func(ctx context.Context, c *drs.Client) error {
		_, err := c.Replenish(ctx, canary, "filter")
		return err
	}
	for _, tt := range []struct {
		name  string
		err   error
		cause error // nil: any
	}{
		{"nobody listens", replenish(t.Context(), closed.client()), nil},
		{"cancelled", replenish(cancelled, closed.client()), context.Canceled},
		{"success that breaks off", replenish(t.Context(), broken(200)), io.ErrUnexpectedEOF},
		{"refusal that breaks off", replenish(t.Context(), broken(400)), io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e *drs.TransportError
			if !errors.As(tt.err, &e) || e.Op != drs.OpReplenish {
				t.Fatalf("error = %v, want a *TransportError of replenish", tt.err)
			}
			if tt.cause != nil && !errors.Is(tt.err, tt.cause) {
				t.Errorf("error = %v, want %v inside", tt.err, tt.cause)
			}
			for _, kind := range all {
				if errors.Is(tt.err, kind) {
					t.Errorf("error = %v, it is no answer but matches %v", tt.err, kind)
				}
			}
		})
	}
	t.Run("server fault that breaks off", func(t *testing.T) {
		if e := refusal(t, replenish(t.Context(), broken(503)), drs.ErrServer); e.RetryAfter != 7*time.Second {
			t.Errorf("RetryAfter = %v, want 7s", e.RetryAfter)
		}
	})
}

// A caller who gives up with a cause of its own hears that it did.
func TestNoAnswerToWhoGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("had enough")
	c := clientOf(func(*http.Request) (*http.Response, error) {
		cancel(why)
		return nil, why
	})
	err := c.Deregister(ctx, canary)
	if !errors.As(err, new(*drs.TransportError)) || !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("error = %v, want a TransportError of the cancellation and its cause", err)
	}
}

// What answers may not speak HTTP, and net/http repeats what it said.
func TestNoAnswerIsBounded(t *testing.T) {
	says := errors.New("malformed HTTP response " + strings.Repeat("\x1b[31mx", 8<<10))
	err := clientOf(func(*http.Request) (*http.Response, error) { return nil, says }).Deregister(t.Context(), canary)
	if text := err.Error(); len(text) > 600 || strings.ContainsFunc(text, unicode.IsControl) || !errors.Is(err, says) {
		t.Errorf("an error of %d bytes, not fit for a log: %.100q", len(text), text)
	}
}

// Whatever repeats the token, it doesn't come back to the caller.
func TestTokenIsNowhere(t *testing.T) {
	split := canary[:10] + "\x00" + canary[10:] // whole again without the control character
	leaky := canned{
		status: 400,
		header: http.Header{"X-Amzn-Errortype": {canary + ":http://x"}, "X-Amzn-Requestid": {canary}, "Location": {"/" + canary}},
		body:   `{"message":"Bad token ` + canary + ` and ` + strings.ReplaceAll(split, "\x00", `\u0000`) + strings.Repeat(" x", 500) + canary + `"}`,
	}
	foreign := clientOf(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("sending %v: %w", r.Header, context.DeadlineExceeded)
	})
	for name, c := range map[string]*drs.Client{"answer": answering(leaky), "transport": foreign} {
		_, err := c.Replenish(t.Context(), canary, "filter")
		var e *drs.Error
		errors.As(err, &e)
		for _, text := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%+v", e)} {
			if strings.Contains(text, "canary") {
				t.Errorf("%s: the error holds the token: %s", name, text)
			}
		}
		if name == "transport" && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want what caused it inside", err)
		}
	}
	if got := fmt.Sprintf("%+v", drs.Client{}); strings.Contains(got, "canary") {
		t.Errorf("a client holds the token: %s", got)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "[]", `{"message":"Invalid token"}`, `{"message":{"a":1}}`, `{"message":"` + canary + `"}`,
		`{"eventInstanceId":"e","detailCode":"ORDER_INPROGRESS"}`,
		`{"slotsSubscriptionStatus":{"a":true,"b":{"subscribed":false,"productInfoList":[{"quantity":1e400}]}}}`,
		`{"orderInfoData":{"instanceId":"id","orderItems":[{"expectedDeliveryDate":null}]}}`,
		`{"slotOrderStatuses":[{"orderStatus":"NO_ORDER_IN_PROGRESS","slotId":"a"}]}`,
	} {
		for _, status := range []int{200, 400, 404, 429, 500} {
			f.Add(status, "InvalidTokenException:http://x", "1", body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, errorType, retryAfter, body string) {
		h := http.Header{"X-Amzn-Errortype": {errorType}, "X-Amzn-Requestid": {errorType}, "Retry-After": {retryAfter}, "Date": {retryAfter}}
		c, ctx := answering(canned{status, h, body}), t.Context()
		result, err := c.Replenish(ctx, canary, "filter")
		if err == nil && (result.EventInstanceID == "" || len(result.EventInstanceID) > 255 || result.DetailCode == "") {
			t.Errorf("Replenish() = %+v", result)
		}
		slots, errSlots := c.Subscriptions(ctx, canary)
		_, errOrder := c.Order(ctx, canary, "id")
		_, errCancel := c.CancelTestOrders(ctx, canary)
		for _, s := range slots {
			if s.ID == "" || len(s.ID) > 255 {
				t.Errorf("Subscriptions() has the slot %q", s.ID)
			}
		}
		for _, err := range []error{
			err, errSlots, errOrder, errCancel,
			c.SlotStatus(ctx, canary, "filter", drs.SlotStatus{}), c.Deregister(ctx, canary),
		} {
			checkError(t, err)
		}
	})
}

// checkError checks what holds for every error.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *drs.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want a *drs.Error", err)
	}
	kinds := 0
	for _, k := range all {
		if errors.Is(err, k) {
			kinds++
		}
	}
	text := err.Error()
	switch {
	case kinds != 1:
		t.Errorf("error %q is of %d kinds", text, kinds)
	case len(e.Message) > 512 || len(e.Type) > 128 || len(e.RequestID) > 128:
		t.Errorf("error %q is too long", text)
	case e.RetryAfter < 0 || e.RetryAfter > time.Hour:
		t.Errorf("RetryAfter = %v", e.RetryAfter)
	case strings.Contains(text, canary):
		t.Errorf("error %q holds the token", text)
	case strings.ContainsFunc(text, unicode.IsControl):
		t.Errorf("error %q has control characters", text)
	}
}
