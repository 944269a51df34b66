package drstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault   drstest.Fault
		is      error // nil: a transport error
		ordered bool
	}{
		{drstest.Fault{Kind: drstest.DropBefore}, nil, false},
		{drstest.Fault{Kind: drstest.DropAfter}, nil, true},
		{drstest.Fault{Kind: drstest.Truncated}, io.ErrUnexpectedEOF, true},
		{drstest.Fault{Kind: drstest.Throttled, RetryAfter: "7"}, drs.ErrThrottled, false},
		{drstest.Fault{Kind: drstest.ServerTrouble}, drs.ErrServer, false},
		{drstest.Fault{Kind: drstest.Unavailable, RetryAfter: "7"}, drs.ErrServer, false},
		{drstest.Fault{Kind: drstest.InvalidToken}, drs.ErrInvalidToken, false},
		{drstest.Fault{Kind: drstest.HTML}, drs.ErrUnexpected, false},
	} {
		for _, network := range []bool{true, false} {
			t.Run(string(tt.fault.Kind), func(t *testing.T) {
				b := open(t, drstest.Options{})
				client := b.Client()
				if !network {
					client.HTTPClient = httpClient(b.Transport())
				}
				tt.fault.Route = drstest.RouteReplenish
				ok(t, b.Script(tt.fault))
				if err := client.DeviceStatus(t.Context(), token, start); err != nil {
					t.Errorf("another route: %v", err)
				}
				_, err := client.Replenish(t.Context(), token, "filter")
				var answered *drs.Error
				var transport *drs.TransportError
				switch {
				case err == nil, tt.is != nil && !errors.Is(err, tt.is), tt.is == nil && !errors.As(err, &transport):
					t.Errorf("error = %v, want %v", err, tt.is)
				case errors.As(err, &answered) && answered.RetryAfter != retryAfter(tt.fault):
					t.Errorf("RetryAfter = %v", answered.RetryAfter)
				}
				if got := len(b.Orders()) == 1; got != tt.ordered {
					t.Errorf("ordered = %v, want %v", got, tt.ordered)
				}
				want := placed
				if tt.ordered { // the reply was lost, the order was not
					want = inProgress
				}
				if id := b.replenish(t, token, "filter", want); id != b.Orders()[0].ID {
					t.Errorf("the next call names %s, not the order", id)
				}
				if got := b.inbox.types(); got != "OrderPlaced" {
					t.Errorf("notifications = %s", got)
				}
				wantFault(t, b.Journal()[1], tt.fault.Kind)
			})
		}
	}
}

func retryAfter(f drstest.Fault) time.Duration {
	if f.RetryAfter == "" {
		return 0
	}
	return 7 * time.Second
}

func wantFault(t *testing.T, e drstest.Entry, kind drstest.Kind) {
	t.Helper()
	if e.Fault != kind || e.Route != drstest.RouteReplenish {
		t.Errorf("journal = %+v, want the fault %s", e, kind)
	}
	if dropped := kind == drstest.DropBefore || kind == drstest.DropAfter; dropped != (e.Status == 0) {
		t.Errorf("journal = %+v, want status 0 for no answer", e)
	}
}

// An empty reply breaks off too.
func TestTruncatedStatus(t *testing.T) {
	b := open(t, drstest.Options{})
	ok(t, b.Script(drstest.Fault{Route: drstest.RouteDeregister, Kind: drstest.Truncated}))
	err := b.Client().Deregister(t.Context(), token)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v, want that it broke off", err)
	}
	if b.Registrations()[0].Registered {
		t.Error("nothing was done")
	}
}

func TestSlowAndHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := drstest.New(drstest.Options{Authorize: drstest.Tokens(map[string]drstest.Device{token: device})})
		ok(t, err)
		ok(t, s.Script(
			drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Slow, Delay: drstest.Duration(3 * time.Second)},
			drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Slow, Delay: drstest.Duration(3 * time.Second)},
			drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Hang},
		))
		began := time.Now()
		r, err := s.Client().Replenish(t.Context(), token, "filter")
		if err != nil || r.DetailCode != placed || time.Since(began) != 3*time.Second {
			t.Errorf("slow = %+v, %v after %v, want an order after 3s", r, err, time.Since(began))
		}
		for _, name := range []string{"slow", "hang"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			_, err := s.Client().Replenish(ctx, token, "bag")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s = %v after %v, want the deadline after 1s", name, err, time.Since(began))
			}
		}
		if got := len(s.Orders()); got != 1 {
			t.Errorf("%d orders, want none of clients that went away", got)
		}
	})
}

// Over the network a hanging server notices that its client has gone.
func TestHangOverTheNetwork(t *testing.T) {
	b := open(t, drstest.Options{})
	ok(t, b.Script(drstest.Fault{Route: drstest.RouteSlotStatus, Kind: drstest.Hang}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		cancel() // the client goes away
		b.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	c := drs.Client{BaseURL: front.URL}
	if err := c.SlotStatus(ctx, token, "filter", drs.SlotStatus{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	<-ended
}

func TestScript(t *testing.T) {
	b := open(t, drstest.Options{})
	var scripted []drstest.Fault
	ok(t, json.Unmarshal([]byte(`[
		{"route":"deviceStatus","kind":"invalid_token"},
		{"route":"deviceStatus","kind":"server_error","times":2},
		{"route":"replenish","kind":"slow","delay":"1m30s"}]`), &scripted))
	ok(t, b.Script(scripted...))
	var got []string
	for range 4 {
		switch err := b.Client().DeviceStatus(t.Context(), token, start); {
		case errors.Is(err, drs.ErrInvalidToken):
			got = append(got, "token")
		case errors.Is(err, drs.ErrServer):
			got = append(got, "500")
		case err == nil:
			got = append(got, "ok")
		}
	}
	if text := strings.Join(got, " "); text != "token 500 500 ok" {
		t.Errorf("answers = %s", text)
	}
	left := b.Faults()
	if len(left) != 1 || time.Duration(left[0].Delay) != 90*time.Second || left[0].Times != 1 {
		t.Errorf("faults to come = %+v", left)
	}
	if text, err := json.Marshal(left); err != nil || string(text) != `[{"route":"replenish","kind":"slow","times":1,"delay":"1m30s"}]` {
		t.Errorf("faults to come = %s, %v", text, err)
	}
	b.ClearFaults()
	b.replenish(t, token, "filter", placed)
}

func TestScriptRefuses(t *testing.T) {
	b := open(t, drstest.Options{})
	for fault, want := range map[string]string{
		`{"kind":"hang"}`:                                                    "route must be one of replenish, ",
		`{"route":"token","kind":"hang"}`:                                    "route must be one of",
		`{"route":"replenish"}`:                                              "kind must be one of slow, ",
		`{"route":"replenish","kind":"explode"}`:                             "kind must be one of",
		`{"route":"replenish","kind":"hang","times":-1}`:                     "times must be",
		`{"route":"replenish","kind":"hang","times":1000001}`:                "times must be",
		`{"route":"replenish","kind":"slow"}`:                                "delay must be given",
		`{"route":"replenish","kind":"slow","delay":"-1s"}`:                  "delay must be",
		`{"route":"replenish","kind":"slow","delay":"11m"}`:                  "delay must be",
		`{"route":"replenish","kind":"slow","delay":"soon"}`:                 "duration",
		`{"route":"replenish","kind":"hang","retry_after":"1"}`:              "retry_after goes with",
		`{"route":"replenish","kind":"throttled","retry_after":"1\r\nX: 1"}`: "retry_after must be",
	} {
		var f drstest.Fault
		err := json.Unmarshal([]byte(fault), &f)
		if err == nil {
			err = b.Script(drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Hang}, f)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %q", fault, err, want)
		}
	}
	if left := b.Faults(); len(left) != 0 {
		t.Errorf("faults to come = %+v, want none of a refused script", left)
	}
	many := make([]drstest.Fault, 1001)
	for i := range many {
		many[i] = drstest.Fault{Route: drstest.RouteReplenish, Kind: drstest.Hang}
	}
	if b.Script(many...) == nil {
		t.Error("1001 faults were taken")
	}
}
