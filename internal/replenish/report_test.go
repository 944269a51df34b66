package replenish_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

const slotStatus = `{"slot":"filter","remaining":3.5,"original":10,"on_hand":20,"last_use":"2026-01-08T11:00:00+01:00","expected_replenishment":"2026-01-15"}`

func wantSlotStatus(t *testing.T, w *world) {
	t.Helper()
	known := w.drs.Registrations()
	if len(known) != 1 {
		t.Fatalf("%d devices at DRS, want 1", len(known))
	}
	got, ok := known[0].Reports["filter"]
	if !ok {
		t.Fatal("DRS got no report")
	}
	remaining, original, onHand := 3.5, 10., 20.
	lastUse, expected := "2026-01-08T10:00:00Z", "2026-01-15T00:00:00Z"
	if diff := cmp.Diff(drstest.SlotReport{
		At: got.At, Remaining: &remaining, Original: &original, OnHand: &onHand, LastUse: &lastUse, ExpectedReplenishment: &expected,
	}, got); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
}

func TestSlotStatus(t *testing.T) {
	bubble(t, func(w *world) {
		if err := w.Rule(w.Context(), up(message.ActionSlotStatus, slotStatus)); err != nil {
			t.Fatal(err)
		}
		wantSlotStatus(t, w)
		if got := w.counted("Report", "action", "slot-status", "outcome", "sent"); got != 1 {
			t.Errorf("counted %v reports, want 1", got)
		}
	})
	bubble(t, func(w *world) {
		if rec := w.call("POST", "/v1/slot-status", slotStatus); rec.Code != 204 || rec.Body.Len() != 0 {
			t.Errorf("answer = %d %s, want 204", rec.Code, rec.Body)
		}
		wantSlotStatus(t, w)
	})
}

func TestSlotStatusWithOnePart(t *testing.T) {
	bubble(t, func(w *world) {
		if rec := w.call("POST", "/v1/slot-status", `{"slot":"bag","remaining":0}`); rec.Code != 204 {
			t.Fatalf("answer = %d %s", rec.Code, rec.Body)
		}
		zero := 0.
		got := w.drs.Registrations()[0].Reports["bag"]
		if diff := cmp.Diff(drstest.SlotReport{At: got.At, Remaining: &zero}, got); diff != "" {
			t.Errorf("report differs (-want +got):\n%s", diff)
		}
	})
}

func TestDeviceStatus(t *testing.T) {
	bubble(t, func(w *world) {
		time.Sleep(10 * 365 * 24 * time.Hour)
		err := w.Rule(w.Context(), up(message.ActionDeviceStatus, `{"last_active":"2008-01-08T10:00:00Z"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := w.drs.Registrations()[0].LastActive; got != "2008-01-08T10:00:00Z" {
			t.Errorf("DRS was told %q", got)
		}
		at := time.Date(2008, 1, 8, 10, 0, 0, 0, time.UTC)
		if got := w.registration().LastActive; !got.Equal(at) {
			t.Errorf("last active = %v, want %v", got, at)
		}
		// An older report that comes late goes to DRS, but is not news here.
		if rec := w.call("POST", "/v1/device-status", `{"last_active":"2007-01-08"}`); rec.Code != 204 {
			t.Errorf("answer = %d", rec.Code)
		}
		if got := w.registration().LastActive; !got.Equal(at) {
			t.Errorf("last active went back to %v", got)
		}
		// A clock that is fast must not hide every later report.
		if rec := w.call("POST", "/v1/device-status", `{"last_active":"2099-01-01"}`); rec.Code != 204 {
			t.Errorf("answer = %d", rec.Code)
		}
		if got := w.registration().LastActive; got.After(time.Now()) {
			t.Errorf("last active = %v, which is still to come", got)
		}
	})
}

// To note when a device was last active must not disturb anybody.
func TestLastActiveGivesWay(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.before = func(op string, rec store.Record) error {
			if _, ok := rec.(*store.Registration); ok && op == "put" {
				return store.ErrConflict
			}
			return nil
		}
		if err := w.Rule(w.Context(), up(message.ActionDeviceStatus, `{"last_active":"2000-01-01"}`)); err != nil {
			t.Errorf("Rule() = %v, want nil", err)
		}
	})
}

func TestReportRenewsTheTokenOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.keeper.bad = []string{"Atza|canary-1"}
		if rec := w.call("POST", "/v1/slot-status", slotStatus); rec.Code != 204 {
			t.Errorf("answer = %d %s", rec.Code, rec.Body)
		}
		w.keeper.bad = []string{"any"}
		if rec := w.call("POST", "/v1/slot-status", slotStatus); rec.Code != 422 {
			t.Errorf("answer = %d %s, want 422", rec.Code, rec.Body)
		}
		if got := w.drs.Calls(drstest.RouteSlotStatus); got != 4 || w.keeper.renewed != 2 {
			t.Errorf("%d calls, %d refreshes; want 4 and 2", got, w.keeper.renewed)
		}
	})
}

// What becomes of a report: over HTTPS a status, over MQTT an error if it must come again.
func TestReportTrouble(t *testing.T) {
	script := func(kind drstest.Kind) func(*world) {
		return func(w *world) { w.script(drstest.RouteSlotStatus, kind) }
	}
	token := func(err error) func(*world) { return func(w *world) { w.keeper.err = err } }
	for _, tt := range []struct {
		name    string
		body    string
		world   func(*world)
		status  int
		outcome string
		again   bool
	}{
		{"unknown slot", `{"slot":"lamp","remaining":1}`, nil, 422, "refused", false},
		{
			"unknown slot with its own status", `{"slot":"lamp","remaining":1}`,
			func(w *world) {
				if err := w.drs.SetSwitches(drstest.Switches{SlotStatusNotFound: true}); err != nil {
					w.Fatal(err)
				}
			},
			422, "refused", false,
		},
		{
			"unsubscribed", slotStatus,
			func(w *world) {
				w.DRS = unsubscribed{w.DRS}
			},
			422, "refused", false,
		},
		{"grant ended", slotStatus, func(w *world) { w.register(store.GrantEnded, store.ReasonConsentWithdrawn) }, 422, "grant_ended", false},
		{"deregistered", slotStatus, func(w *world) { w.register(store.Deregistered, store.ReasonByAmazon) }, 422, "not_registered", false},
		{"throttled", slotStatus, script(drstest.Throttled), 503, "failed", true},
		{"server fault", slotStatus, script(drstest.ServerTrouble), 503, "failed", true},
		{"no answer", slotStatus, script(drstest.DropAfter), 503, "failed", true},
		{"page of HTML", slotStatus, script(drstest.HTML), 503, "failed", true},
		{"LWA away", slotStatus, token(&tokens.UnavailableError{RetryAfter: time.Second, Err: errors.New("down")}), 503, "failed", true},
		{"our secret", slotStatus, token(&tokens.CredentialsError{Err: errors.New("invalid_client")}), 503, "failed", true},
		{"LWA odd", slotStatus, token(&tokens.UnexpectedError{Err: errors.New("odd")}), 503, "failed", false},
		{"a fault of ours", slotStatus, token(errors.New("broken record")), 500, "failed", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setup := func(w *world) {
				if tt.world != nil {
					tt.world(w)
				}
			}
			bubble(t, func(w *world) {
				setup(w)
				rec := w.call("POST", "/v1/slot-status", tt.body)
				p := w.problem(rec)
				if p.Status != tt.status || p.Status == 422 && p.Code != "refused_by_drs" {
					t.Errorf("problem = %+v, want %d", p, tt.status)
				}
				if (rec.Header().Get("Retry-After") != "") != (tt.status == http.StatusServiceUnavailable) {
					t.Errorf("Retry-After = %q with %d", rec.Header().Get("Retry-After"), tt.status)
				}
			})
			bubble(t, func(w *world) {
				setup(w)
				err := w.Rule(w.Context(), up(message.ActionSlotStatus, tt.body))
				var retry *replenish.RetryError
				if errors.As(err, &retry) != tt.again {
					t.Errorf("Rule() = %v, to come again: %v", err, tt.again)
				}
				if got := w.counted("Report", "action", "slot-status", "outcome", tt.outcome); got != 1 {
					t.Errorf("counted %v, want %s once", w.counts.Snapshot(), tt.outcome)
				}
				if len(w.told.all()) != 0 {
					t.Error("the device was told something; there is no answer to a report")
				}
			})
		})
	}
}

func TestReportOfUnregisteredThing(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.records = map[store.Key][]byte{}
		if err := w.Rule(w.Context(), up(message.ActionSlotStatus, slotStatus)); err != nil {
			t.Errorf("Rule() = %v, want nil", err)
		}
		if got := w.counted("Report", "outcome", "not_registered"); got != 1 || len(w.drs.Journal()) != 0 {
			t.Errorf("counted %v, %d calls to DRS; want 1 and 0", got, len(w.drs.Journal()))
		}
	})
}

func TestBadReportOverMQTT(t *testing.T) {
	for _, e := range []message.RuleEvent{
		up(message.ActionSlotStatus, `{"slot":"filter","remaining":-1}`),
		up(message.ActionSlotStatus, `filter`),
		up(message.ActionDeviceStatus, `{"last_active":"soon"}`),
	} {
		bubble(t, func(w *world) {
			if err := w.Rule(w.Context(), e); err != nil {
				t.Errorf("Rule() = %v, want nil: to try it again is of no use", err)
			}
			if got := w.counted("MessageRefused", "action", e.Action, "reason", "payload"); got != 1 || len(w.drs.Journal()) != 0 {
				t.Errorf("counted %v, %d calls to DRS; want 1 and 0", got, len(w.drs.Journal()))
			}
		})
	}
}

func TestReportComesAgainWhileTheStoreIsDown(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.before = down("get", new(store.Registration))
		if err := w.Rule(w.Context(), up(message.ActionSlotStatus, slotStatus)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Rule() = %v, want the store's error", err)
		}
	})
}

type unsubscribed struct{ replenish.DRS }

func (unsubscribed) SlotStatus(context.Context, string, string, drs.SlotStatus) error {
	return &drs.Error{Op: drs.OpSlotStatus, StatusCode: 400, Message: "slot : <filter> is unsubscribed."}
}
