package replenish_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func TestGetRegistration(t *testing.T) {
	for _, status := range []store.Status{store.Active, store.GrantEnded, store.Deregistered} {
		bubble(t, func(w *world) {
			w.register(status, "")
			rec := w.call("GET", "/v1/registration", "")
			var got message.Registration
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
				t.Fatalf("answer = %d %s", rec.Code, rec.Body)
			}
			if diff := cmp.Diff(message.Registration{
				Thing: vac, DeviceModel: model, Serial: serial, Status: string(status), Renewable: status == store.Active,
				Slots: []message.Slot{{Slot: "filter", Subscribed: true}}, At: time.Now().UTC(),
			}, got); diff != "" {
				t.Errorf("registration differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRegistrationOverMQTT(t *testing.T) {
	bubble(t, func(w *world) {
		for _, payload := range []string{`{}`, ``} {
			if err := w.Rule(w.Context(), up(message.ActionRegistration, payload)); err != nil {
				t.Fatal(err)
			}
		}
		told := w.told.all()
		if len(told) != 2 || told[0].event != message.EventRegistration || told[0].thing != vac {
			t.Fatalf("told: %v", told)
		}
		if diff := cmp.Diff(w.registration().State(), told[0].payload); diff != "" {
			t.Errorf("registration differs (-want +got):\n%s", diff)
		}
		w.store.records = map[store.Key][]byte{}
		if err := w.Rule(w.Context(), up(message.ActionRegistration, `{}`)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(message.Registration{
			Thing: vac, DeviceModel: model, Serial: serial, Status: "not_registered", Slots: []message.Slot{}, At: time.Now().UTC(),
		}, w.told.all()[2].payload); diff != "" {
			t.Errorf("registration differs (-want +got):\n%s", diff)
		}
	})
}

func TestPairingOverMQTT(t *testing.T) {
	bubble(t, func(w *world) {
		if err := w.Rule(w.Context(), up(message.ActionPairing, `{}`)); err != nil {
			t.Fatal(err)
		}
		told := w.told.all()
		p, ok := told[0].payload.(message.Pairing)
		if len(told) != 1 || told[0].event != message.EventPairing || !ok || p.URL == "" || p.ExpiresAt.IsZero() {
			t.Errorf("told: %v", told)
		}
	})
}

func TestAskedButNotTold(t *testing.T) {
	for _, action := range []string{message.ActionRegistration, message.ActionPairing} {
		bubble(t, func(w *world) {
			w.told.fail(errors.New("broker is away"))
			if err := w.Rule(w.Context(), up(action, `{}`)); err == nil {
				t.Errorf("%s: Rule() = nil although the device was not told", action)
			}
		})
	}
}

// ended checks that the device was deregistered here, and told once.
func ended(t *testing.T, w *world) {
	t.Helper()
	reg := w.registration()
	if reg.Status != store.Deregistered || reg.Reason != store.ReasonDeregistered || reg.RefreshToken != "" || reg.KeyHash == "" {
		t.Errorf("registration = %+v", reg)
	}
	told := w.told.all()
	if len(told) != 1 || told[0].event != message.EventRegistration || !cmp.Equal(told[0].payload, any(reg.State())) {
		t.Errorf("told: %v", told)
	}
}

func TestDelete(t *testing.T) {
	for _, tt := range []struct {
		name  string
		world func(*world)
		calls int // to DRS
	}{
		{"active", nil, 1},
		{"token not accepted once", func(w *world) { w.keeper.bad = []string{"Atza|canary-1"} }, 2},
		{"grant ended", func(w *world) { w.register(store.GrantEnded, store.ReasonConsentWithdrawn) }, 0},
		{
			"grant turns out to have ended",
			func(w *world) { w.keeper.err = &tokens.GrantEndedError{Reason: store.ReasonConsentWithdrawn} }, 0,
		},
		{
			"gone at DRS",
			func(w *world) {
				w.keeper.bad = []string{"any"}
				w.keeper.errNew = &tokens.GrantEndedError{Reason: store.ReasonConsentWithdrawn}
			}, 1,
		},
		{"fresh token not accepted", func(w *world) { w.keeper.bad = []string{"any"} }, 2},
		{"store conflict", func(w *world) {
			conflicts := 2
			w.store.before = func(op string, rec store.Record) error {
				if _, ok := rec.(*store.Registration); ok && op == "put" && conflicts > 0 {
					conflicts--
					return store.ErrConflict
				}
				return nil
			}
		}, 1},
		{"publisher down", func(w *world) { w.Publisher = deaf{} }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				if tt.world != nil {
					tt.world(w)
				}
				if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 || rec.Body.Len() != 0 {
					t.Fatalf("answer = %d %s, want 204", rec.Code, rec.Body)
				}
				if w.Publisher == w.told {
					ended(t, w)
				}
				if got := w.drs.Calls(drstest.RouteDeregister); got != tt.calls {
					t.Errorf("%d calls to DRS, want %d", got, tt.calls)
				}
				w.store.before = nil
				if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
					t.Errorf("again: %d, want 204", rec.Code)
				}
				if _, r := w.post(`{"slot":"filter"}`); r.Outcome != message.NotRegistered {
					t.Errorf("press afterwards = %+v, want not_registered", r)
				}
			})
		})
	}
}

type deaf struct{}

func (deaf) Publish(context.Context, string, string, any) error { return errors.New("broker is away") }

// While DRS can't be reached nothing changes, and the same call works later.
func TestDeleteLater(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"server fault": func(w *world) { w.script(drstest.RouteDeregister, drstest.ServerTrouble) },
		"throttled":    func(w *world) { w.script(drstest.RouteDeregister, drstest.Throttled) },
		"no answer":    func(w *world) { w.script(drstest.RouteDeregister, drstest.DropBefore) },
		"hangs":        func(w *world) { w.script(drstest.RouteDeregister, drstest.Hang) },
		"LWA away": func(w *world) {
			w.keeper.err = &tokens.UnavailableError{RetryAfter: time.Second, Err: errors.New("down")}
		},
		"our secret": func(w *world) { w.keeper.err = &tokens.CredentialsError{Err: errors.New("invalid_client")} },
		"LWA odd":    func(w *world) { w.keeper.err = &tokens.UnexpectedError{Err: errors.New("odd")} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				spoil(w)
				before := w.registration()
				rec := w.call("DELETE", "/v1/registration", "")
				if p := w.problem(rec); p.Status != 503 || rec.Header().Get("Retry-After") == "" {
					t.Errorf("problem = %+v, want 503 with Retry-After", p)
				}
				if diff := cmp.Diff(before, w.registration()); diff != "" || len(w.told.all()) != 0 {
					t.Errorf("something changed (-before +after):\n%s\n%v", diff, w.told.all())
				}
				w.keeper.err = nil
				if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
					t.Errorf("later: %d %s, want 204", rec.Code, rec.Body)
				}
				ended(t, w)
			})
		})
	}
}

// DRS has done it, and the answer got lost: the next call finds its tokens dead.
func TestDeleteAfterLostAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteDeregister, drstest.DropAfter)
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 503 {
			t.Fatalf("answer = %d, want 503", rec.Code)
		}
		w.keeper.errNew = &tokens.GrantEndedError{Reason: store.ReasonConsentWithdrawn}
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
			t.Errorf("answer = %d, want 204", rec.Code)
		}
		ended(t, w)
	})
}

// DRS has done it, and our store fails: 503, and the next call finishes.
func TestDeleteWithoutStore(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.before = down("put", new(store.Registration))
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 503 {
			t.Fatalf("answer = %d, want 503", rec.Code)
		}
		w.store.before = nil
		w.keeper.errNew = &tokens.GrantEndedError{Reason: store.ReasonConsentWithdrawn}
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
			t.Errorf("answer = %d, want 204", rec.Code)
		}
		ended(t, w)
	})
}

// A customer who signs in again meanwhile has made another registration.
func TestDeleteLeavesANewRegistration(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.before = func(op string, rec store.Record) error {
			if reg, ok := rec.(*store.Registration); ok && op == "put" && reg.Status == store.Deregistered {
				w.store.before = nil
				next := w.registration()
				next.Grant = "second grant"
				if err := w.store.Put(w.Context(), next); err != nil {
					t.Error(err)
				}
			}
			return nil
		}
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
			t.Errorf("answer = %d", rec.Code)
		}
		if reg := w.registration(); reg.Status != store.Active || reg.Grant != "second grant" {
			t.Errorf("registration = %+v, want the second one left alone", reg)
		}
	})
}

// A refresh may be what finds that there is another customer by now: the device stays on that account.
func TestDeleteSparesTheNextCustomer(t *testing.T) {
	bubble(t, func(w *world) {
		w.keeper.newest = w.registration()
		w.keeper.newest.Grant = "second grant"
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
			t.Errorf("answer = %d %s", rec.Code, rec.Body)
		}
		if n := w.drs.Calls(drstest.RouteDeregister); n != 0 {
			t.Errorf("%d calls to DRS, want none", n)
		}
		if reg := w.registration(); reg.Status != store.Active {
			t.Errorf("registration = %+v, want it left alone", reg)
		}
	})
}

// The notification of DRS may come before our own write: the reason is ours all the same.
func TestDeleteAndNotification(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.before = func(op string, rec store.Record) error {
			if reg, ok := rec.(*store.Registration); ok && op == "put" && reg.Reason == store.ReasonDeregistered {
				w.store.before = nil
				w.register(store.Deregistered, store.ReasonByAmazon)
			}
			return nil
		}
		if rec := w.call("DELETE", "/v1/registration", ""); rec.Code != 204 {
			t.Errorf("answer = %d", rec.Code)
		}
		ended(t, w)
	})
}
