package replenish_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func TestPressOrders(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.done("filter", "press-1")
		orders := w.drs.Orders()
		if len(orders) != 1 {
			t.Fatalf("%d orders, want 1", len(orders))
		}
		wantResult := message.Result{
			ID: "press-1", Thing: vac, Slot: "filter", Outcome: message.Ordered,
			DetailCode: "STANDARD_ORDER_PLACED", InstanceID: orders[0].ID, At: time.Now().UTC(),
		}
		if r != wantResult {
			t.Errorf("result = %+v, want %+v", r, wantResult)
		}
		m := w.message("press-1")
		if m.State != store.Done || m.Result != wantResult || m.Attempts != 1 || m.Unknown || m.Slot != "filter" {
			t.Errorf("stored message = %+v", m)
		}
		if left := time.Until(m.ExpiresAt); left != store.MessageTTL {
			t.Errorf("the message is kept for %v, want %v", left, store.MessageTTL)
		}
		if got := w.counted("Press", "outcome", "ordered", "by", "mqtt"); got != 1 {
			t.Errorf("%v presses counted, want 1", got)
		}
	})
}

func TestSlotNamesReachDRSWhole(t *testing.T) {
	bubble(t, func(w *world) {
		want(t, w.done("größe / 100 % ?", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
		if got := w.drs.Orders()[0].Slot.ID; got != "größe / 100 % ?" {
			t.Errorf("ordered slot = %q", got)
		}
	})
}

// A press makes three round trips to the table, of which one comes before the order.
func TestRoundTrips(t *testing.T) {
	bubble(t, func(w *world) {
		const trip = 10 * time.Millisecond
		w.store.before = func(string, store.Record) error {
			time.Sleep(trip)
			return nil
		}
		w.Publisher = slowly{w.told, trip}
		var ordered time.Duration
		start := time.Now()
		w.DRS = &faultyDRS{DRS: w.DRS, order: func(context.Context, string) (*drs.ReplenishResult, error) {
			ordered = time.Since(start)
			return &drs.ReplenishResult{EventInstanceID: "amzn1", DetailCode: drs.StandardOrderPlaced}, nil
		}}
		gets, puts := w.store.counts()
		w.done("filter", "1")
		if ordered != trip {
			t.Errorf("DRS was called after %v, want one round trip", ordered)
		}
		if all := time.Since(start); all != 2*trip {
			t.Errorf("the press took %v, want the store and the device to be told at the same time", all)
		}
		g, p := w.store.counts()
		if g-gets != 1 || p-puts != 2 {
			t.Errorf("%d reads and %d writes, want 1 and 2", g-gets, p-puts)
		}
	})
}

type slowly struct {
	told *told
	d    time.Duration
}

func (s slowly) Publish(ctx context.Context, thing, event string, payload any) error {
	time.Sleep(s.d)
	return s.told.Publish(ctx, thing, event, payload)
}

func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		slot    string
		world   func(*world)
		outcome message.Outcome
		code    string
		calls   int // to DRS
	}{
		{"open order", "filter", func(w *world) { w.done("filter", "before") }, message.InProgress, "ORDER_INPROGRESS", 2},
		{"unsubscribed slot", "brush", nil, message.NotSubscribed, "", 1},
		{"unknown slot", "lamp", nil, message.UnknownSlot, "", 1},
		{
			"no registration", "filter",
			func(w *world) { w.store.records = map[store.Key][]byte{} },
			message.NotRegistered, "", 0,
		},
		{
			"deregistered", "filter",
			func(w *world) { w.register(store.Deregistered, store.ReasonByAmazon) },
			message.NotRegistered, "DEREGISTERED", 0,
		},
		{
			"grant ended before", "filter",
			func(w *world) { w.register(store.GrantEnded, store.ReasonNoRefreshToken) },
			message.GrantEnded, "NO_REFRESH_TOKEN", 0,
		},
		{
			"grant turns out to have ended", "filter",
			func(w *world) { w.keeper.err = &tokens.GrantEndedError{Reason: store.ReasonConsentWithdrawn} },
			message.GrantEnded, "CONSENT_WITHDRAWN", 0,
		},
		{
			"grant turns out to have ended at DRS", "filter",
			func(w *world) {
				w.keeper.bad = []string{"any"}
				w.keeper.errNew = &tokens.GrantEndedError{Reason: store.ReasonConsentWithdrawn}
			},
			message.GrantEnded, "CONSENT_WITHDRAWN", 1,
		},
		{
			"token not accepted once", "filter",
			func(w *world) { w.keeper.bad = []string{"Atza|canary-1"} },
			message.Ordered, "STANDARD_ORDER_PLACED", 2,
		},
		{
			"token never accepted", "filter",
			func(w *world) { w.keeper.bad = []string{"any"} },
			message.Failed, "INVALID_TOKEN", 2,
		},
		{
			"LWA answers unexpectedly", "filter",
			func(w *world) { w.keeper.err = &tokens.UnexpectedError{Err: errors.New("odd")} },
			message.Failed, "LWA_UNEXPECTED", 0,
		},
		{
			"LWA answers unexpectedly after DRS refused the token", "filter",
			func(w *world) {
				w.keeper.bad = []string{"any"}
				w.keeper.errNew = &tokens.UnexpectedError{Err: errors.New("odd")}
			},
			message.Failed, "LWA_UNEXPECTED", 1,
		},
		{
			"refused for another reason", "filter",
			func(w *world) { w.answer(nil, &drs.Error{StatusCode: 403, Message: "no"}) },
			message.Failed, "DRS_REFUSED", 0,
		},
		{
			"never sent", "filter",
			func(w *world) { w.answer(nil, &drs.Error{Message: "the access token is empty"}) },
			message.Failed, "DRS_REFUSED", 0,
		},
		{
			"unsubscribed with a server's status", "filter",
			func(w *world) {
				w.answer(nil, &drs.Error{StatusCode: 500, Message: "Unable to place order - slot : <filter> is unsubscribed."})
			},
			message.NotSubscribed, "", 0,
		},
		{
			"detail code that isn't known", "filter",
			func(w *world) {
				w.answer(&drs.ReplenishResult{EventInstanceID: "amzn1.x", DetailCode: "SOMETHING_NEW"}, nil)
			},
			message.Failed, "SOMETHING_NEW", 0,
		},
		{
			"test order", "filter",
			func(w *world) {
				w.answer(&drs.ReplenishResult{EventInstanceID: "amzn1.x", DetailCode: drs.TestOrderPlaced}, nil)
			},
			message.TestOrdered, "TEST_ORDER_PLACED", 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				if tt.world != nil {
					tt.world(w)
				}
				r := w.done(tt.slot, "1")
				want(t, r, tt.outcome, tt.code)
				w.wantCalls(tt.calls)
				if m := w.message("1"); m.State != store.Done || m.Result != r {
					t.Errorf("stored message = %+v", m)
				}
				calls := w.keeper.asked
				if again := w.done(tt.slot, "1"); again.Outcome != tt.outcome || !again.Replayed {
					t.Errorf("the same again = %+v, want the first result replayed", again)
				}
				if w.wantCalls(tt.calls); w.keeper.asked != calls {
					t.Error("a replay asked for a token")
				}
			})
		})
	}
}

// answer lets DRS answer every replenish so.
func (w *world) answer(r *drs.ReplenishResult, err error) {
	w.DRS = &faultyDRS{DRS: w.DRS, order: func(context.Context, string) (*drs.ReplenishResult, error) { return r, err }}
}

// An order that DRS took with a code that isn't known may be one: it is not repeated, and
// somebody should look at it.
func TestUnknownDetailCodeIsCountedAndNotRepeated(t *testing.T) {
	bubble(t, func(w *world) {
		calls := 0
		w.DRS = &faultyDRS{DRS: w.DRS, order: func(context.Context, string) (*drs.ReplenishResult, error) {
			calls++
			return &drs.ReplenishResult{EventInstanceID: "amzn1.x", DetailCode: "SOMETHING_NEW"}, nil
		}}
		if r := w.done("filter", "1"); r.InstanceID != "amzn1.x" {
			t.Errorf("instance_id = %q, want DRS's", r.InstanceID)
		}
		w.done("filter", "1")
		if calls != 1 || w.counted("UnknownDetailCode") != 1 {
			t.Errorf("%d calls, counted %v; want 1 and 1", calls, w.counted("UnknownDetailCode"))
		}
	})
}

// What may pass is put off: the message comes again, and is done then.
func TestPutOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*world)
		mend  func(*world)
		code  string
	}{
		{
			"LWA out of reach",
			func(w *world) {
				w.keeper.err = &tokens.UnavailableError{RetryAfter: time.Second, Err: errors.New("down")}
			},
			func(w *world) { w.keeper.err = nil },
			"LWA_UNAVAILABLE",
		},
		{
			"store out of reach for the Keeper",
			func(w *world) { w.keeper.err = &tokens.UnavailableError{RetryAfter: time.Second, Err: errStoreDown} },
			func(w *world) { w.keeper.err = nil },
			"STORE_UNAVAILABLE",
		},
		{
			"our client secret",
			func(w *world) { w.keeper.err = &tokens.CredentialsError{Err: errors.New("invalid_client")} },
			func(w *world) { w.keeper.err = nil },
			"SECRETS_TROUBLE",
		},
		{
			"our key ring",
			func(w *world) { w.keeper.err = &tokens.SealError{Thing: vac, Err: errors.New("no such key")} },
			func(w *world) { w.keeper.err = nil },
			"SECRETS_TROUBLE",
		},
		{
			"Secrets Manager out of reach",
			func(w *world) {
				w.keeper.err = &tokens.UnavailableError{RetryAfter: time.Second, Outage: true, Err: &tokens.SecretsError{Err: errors.New("down")}}
			},
			func(w *world) { w.keeper.err = nil },
			"SECRETS_TROUBLE",
		},
		{
			"a fault of ours",
			func(w *world) { w.keeper.err = errors.New("reading the registration: unexpected end of JSON") },
			func(w *world) { w.keeper.err = nil },
			"INTERNAL",
		},
		{
			"LWA out of reach after DRS refused the token",
			func(w *world) {
				w.keeper.bad = []string{"Atza|canary-1"}
				w.keeper.errNew = &tokens.UnavailableError{RetryAfter: time.Second, Err: errors.New("down")}
			},
			func(w *world) { w.keeper.errNew = nil },
			"LWA_UNAVAILABLE",
		},
		{
			"DRS throttles",
			func(w *world) { w.script(drstest.RouteReplenish, drstest.Throttled) },
			nil, "DRS_UNAVAILABLE",
		},
		{
			"registration can't be read",
			func(w *world) { w.store.before = down("get", new(store.Registration)) },
			func(w *world) { w.store.before = nil },
			"STORE_UNAVAILABLE",
		},
		{
			"message can't be claimed",
			func(w *world) { w.store.before = down("put", new(store.Message)) },
			func(w *world) { w.store.before = nil },
			"STORE_UNAVAILABLE",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				tt.spoil(w)
				want(t, w.putOff("filter", "1"), message.Retrying, tt.code)
				w.wantOrders(0)
				if tt.mend != nil {
					tt.mend(w)
				}
				want(t, w.done("filter", "1"), message.Ordered, "STANDARD_ORDER_PLACED")
				w.wantOrders(1)
				secrets := w.counted("SecretsTrouble")
				if (secrets > 0) != (tt.code == "SECRETS_TROUBLE") {
					t.Errorf("SecretsTrouble counted %v times", secrets)
				}
			})
		})
	}
}

// mayHaveOrdered: what makes ORDER_INPROGRESS of a retry the first one's success.
func TestWhichTroubleMayHaveOrdered(t *testing.T) {
	transport := func(err error) error { return &drs.TransportError{Op: drs.OpReplenish, Err: err} }
	answer := func(status int) error { return &drs.Error{Op: drs.OpReplenish, StatusCode: status} }
	for _, tt := range []struct {
		name string
		err  error
		may  bool
	}{
		{"reset", transport(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), true},
		{"written half", transport(&net.OpError{Op: "write", Err: errors.New("broken pipe")}), true},
		{"time-out", transport(context.DeadlineExceeded), true},
		{"given up", transport(context.Canceled), true},
		{"refused connection", transport(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), false},
		{"no such host", transport(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "drs"}}), false},
		{"proxy out of reach", transport(&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}), false},
		{"name server", transport(&net.DNSError{Err: "server misbehaving", Name: "drs"}), false},
		{"wrong certificate", transport(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), false},
		{"500", answer(500), true},
		{"503", answer(503), true},
		{"429", answer(429), false},
		{"408", answer(http.StatusRequestTimeout), true},
		{"302", answer(302), true},
		{"200 that is no answer", answer(200), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				good := w.DRS
				w.answer(nil, tt.err)
				want(t, w.putOff("filter", "1"), message.Retrying, "DRS_UNAVAILABLE")
				w.DRS = good
				w.done("filter", "another press") // an order is open now
				outcome := message.InProgress
				if tt.may {
					outcome = message.Ordered
				}
				want(t, w.done("filter", "1"), outcome, "ORDER_INPROGRESS")
				w.wantOrders(1)
				if got := w.counted("OutcomeUnknown"); (got == 1) != tt.may {
					t.Errorf("OutcomeUnknown counted %v times", got)
				}
			})
		})
	}
}
