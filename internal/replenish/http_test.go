package replenish_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func TestPostReplenish(t *testing.T) {
	bubble(t, func(w *world) {
		rec := w.call("POST", "/v1/replenish", `{"slot":"filter","id":"press-1"}`)
		if rec.Code != 200 || rec.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("answer = %d %v", rec.Code, rec.Header())
		}
		var got map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for member, value := range map[string]any{
			"id": "press-1", "thing": vac, "slot": "filter", "outcome": "ordered", "detail_code": "STANDARD_ORDER_PLACED",
			"instance_id": w.drs.Orders()[0].ID, "replayed": false, "at": "2000-01-01T00:00:00Z",
		} {
			if got[member] != value {
				t.Errorf("%s = %v, want %v", member, got[member], value)
			}
		}
		if len(got) != 8 {
			t.Errorf("the result has %d members, want 8", len(got))
		}
		if len(w.results()) != 0 {
			t.Error("the result was told over MQTT too")
		}
		if got := w.counted("Press", "outcome", "ordered", "by", "https"); got != 1 {
			t.Errorf("%v presses counted, want 1", got)
		}
	})
}

func TestIDOfPost(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, tt := range []struct {
		name   string
		body   string
		header []string
		id     string // "": a refusal, "?": a random one
		field  string
	}{
		{"in the body", `{"slot":"filter","id":"7"}`, nil, "7", ""},
		{"in the header", `{"slot":"filter"}`, []string{"Idempotency-Key", "7"}, "7", ""},
		{"in both", `{"slot":"filter","id":"7"}`, []string{"Idempotency-Key", "7"}, "7", ""},
		{"differing", `{"slot":"filter","id":"7"}`, []string{"Idempotency-Key", "8"}, "", "id"},
		{"twice in the header", `{"slot":"filter"}`, []string{"Idempotency-Key", "7", "Idempotency-Key", "8"}, "", "id"},
		{"nowhere", `{"slot":"filter"}`, nil, "?", ""},
		{"header too long", `{"slot":"filter"}`, []string{"Idempotency-Key", long}, "", "Idempotency-Key"},
		{"header not ASCII", `{"slot":"filter"}`, []string{"Idempotency-Key", "é"}, "", "Idempotency-Key"},
		{"body too long", `{"slot":"filter","id":"` + long + `"}`, nil, "", "id"},
		{"of another type", `{"slot":"filter","id":7}`, []string{"Idempotency-Key", "7"}, "", "id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				if tt.id == "" {
					p := w.problem(w.call("POST", "/v1/replenish", tt.body, tt.header...))
					if p.Status != 400 || p.Code != "bad_field" || p.Field != tt.field {
						t.Errorf("problem = %+v, want 400 bad_field %s", p, tt.field)
					}
					w.wantCalls(0)
					return
				}
				status, r := w.post(tt.body, tt.header...)
				if status != 200 || tt.id != "?" && r.ID != tt.id || r.ID == "" {
					t.Errorf("answer = %d, id %q, want 200, %q", status, r.ID, tt.id)
				}
			})
		})
	}
}

func TestRandomIDsDiffer(t *testing.T) {
	bubble(t, func(w *world) {
		_, first := w.post(`{"slot":"filter"}`)
		_, second := w.post(`{"slot":"filter"}`)
		if first.ID == second.ID || second.Replayed || second.Outcome != message.InProgress {
			t.Errorf("two presses without id = %+v, %+v", first, second)
		}
	})
}

func TestBadRequests(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code, field              string
	}{
		{"no key", "POST", "/v1/replenish", `{"slot":"filter"}`, []string{"Authorization", ""}, 401, "unauthorized", ""},
		{"no key for a report", "POST", "/v1/slot-status", `{}`, []string{"Authorization", ""}, 401, "unauthorized", ""},
		{"no key for a status", "POST", "/v1/device-status", `{}`, []string{"Authorization", ""}, 401, "unauthorized", ""},
		{"no key to see", "GET", "/v1/registration", ``, []string{"Authorization", ""}, 401, "unauthorized", ""},
		{"no key to end", "DELETE", "/v1/registration", ``, []string{"Authorization", ""}, 401, "unauthorized", ""},
		{"no slot", "POST", "/v1/replenish", `{}`, nil, 400, "bad_field", "slot"},
		{"slot of another type", "POST", "/v1/replenish", `{"slot":1}`, nil, 400, "bad_field", "slot"},
		{"slot too long", "POST", "/v1/replenish", `{"slot":"` + strings.Repeat("x", 129) + `"}`, nil, 400, "bad_field", "slot"},
		{"control character", "POST", "/v1/replenish", `{"slot":"a\u0000"}`, nil, 400, "bad_field", "slot"},
		{"empty", "POST", "/v1/replenish", ``, nil, 400, "bad_body", ""},
		{"array", "POST", "/v1/replenish", `[]`, nil, 400, "bad_body", ""},
		{"not UTF-8", "POST", "/v1/replenish", "{\"slot\":\"\xff\"}", nil, 400, "bad_body", ""},
		{"form", "POST", "/v1/replenish", `slot=filter`, []string{"Content-Type", "", "Content-Type", "application/x-www-form-urlencoded"}, 415, "not_json", ""},
		{"no type", "POST", "/v1/replenish", `{"slot":"filter"}`, []string{"Content-Type", ""}, 415, "not_json", ""},
		{"too large", "POST", "/v1/replenish", `{"slot":"` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, "too_large", ""},
		{"wrong method", "GET", "/v1/replenish", ``, nil, 405, "method_not_allowed", ""},
		{"wrong path", "POST", "/v1/replenish/filter", ``, nil, 404, "not_found", ""},
		{"report without slot", "POST", "/v1/slot-status", `{"remaining":1}`, nil, 400, "bad_field", "slot"},
		{"report of nothing", "POST", "/v1/slot-status", `{"slot":"filter"}`, nil, 400, "bad_field", "remaining"},
		{"report as an array", "POST", "/v1/slot-status", `[]`, nil, 400, "bad_body", ""},
		{"report too deep", "POST", "/v1/slot-status", strings.Repeat(`{"a":`, 11000), nil, 400, "bad_body", ""},
		{"negative quantity", "POST", "/v1/slot-status", `{"slot":"filter","remaining":-1}`, nil, 400, "bad_field", "remaining"},
		{"infinite quantity", "POST", "/v1/slot-status", `{"slot":"filter","original":1e999}`, nil, 400, "bad_field", "original"},
		{"huge quantity", "POST", "/v1/slot-status", `{"slot":"filter","on_hand":1e13}`, nil, 400, "bad_field", "on_hand"},
		{"quantity as text", "POST", "/v1/slot-status", `{"slot":"filter","on_hand":"1"}`, nil, 400, "bad_field", "on_hand"},
		{"bad date", "POST", "/v1/slot-status", `{"slot":"filter","last_use":"yesterday"}`, nil, 400, "bad_field", "last_use"},
		{"date of another type", "POST", "/v1/slot-status", `{"slot":"filter","last_use":1}`, nil, 400, "bad_field", "last_use"},
		{"date of another century", "POST", "/v1/slot-status", `{"slot":"filter","expected_replenishment":"1970-01-01"}`, nil, 400, "bad_field", "expected_replenishment"},
		{"no date", "POST", "/v1/device-status", `{}`, nil, 400, "bad_field", "last_active"},
		{"empty date", "POST", "/v1/device-status", `{"last_active":""}`, nil, 400, "bad_field", "last_active"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				_, puts := w.store.counts()
				rec := w.call(tt.method, tt.path, tt.body, tt.header...)
				p := w.problem(rec)
				if p.Status != tt.status || p.Code != tt.code || p.Field != tt.field {
					t.Errorf("problem = %+v, want %d %s %s", p, tt.status, tt.code, tt.field)
				}
				if _, after := w.store.counts(); after != puts || len(w.drs.Journal()) != 0 {
					t.Error("a bad request led to a write or to a call to DRS")
				}
			})
		})
	}
}

// Nobody without the key may write a record for a device, or block its message IDs.
func TestKeys(t *testing.T) {
	for name, tt := range map[string]struct {
		key  func(*world) string
		code string
	}{
		"foreign":   {func(*world) string { return devicekey.New(vac) }, "unauthorized"},
		"of nobody": {func(*world) string { return devicekey.New("ACME-VAC-1::SN9") }, "unauthorized"},
		"malformed": {func(*world) string { return "canary.canary" }, "unauthorized"},
		"replaced": {func(w *world) string {
			old := w.key
			w.key = devicekey.New(vac)
			w.register(store.Active, "")
			return old
		}, "unauthorized"},
		"sleeping": {func(w *world) string {
			key := devicekey.New(vac)
			p := &store.Pairing{ID: devicekey.PairingID(key), Thing: vac, KeyHash: devicekey.Hash(key), Status: store.PairingWaiting}
			if err := w.store.Put(w.Context(), p); err != nil {
				w.Fatal(err)
			}
			return key
		}, "not_paired_yet"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.key = tt.key(w)
				_, puts := w.store.counts()
				p := w.problem(w.call("POST", "/v1/replenish", `{"slot":"filter","id":"1"}`))
				if p.Status != 401 || p.Code != tt.code {
					t.Errorf("problem = %+v, want 401 %s", p, tt.code)
				}
				if _, after := w.store.counts(); after != puts {
					t.Error("a stranger wrote a record")
				}
				w.wantCalls(0)
			})
		})
	}
}

// The press goes on without the device: it is queued, and the job's result is told over
// MQTT and answers the same call later.
func TestAccepted(t *testing.T) {
	bubble(t, func(w *world) {
		w.script(drstest.RouteReplenish, drstest.DropAfter, drstest.ServerTrouble)
		status, r := w.post(`{"slot":"filter","id":"1"}`)
		if status != 202 || r.Outcome != message.Retrying || r.DetailCode != "DRS_UNAVAILABLE" || r.ID != "1" {
			t.Fatalf("answer = %d %+v, want 202 retrying", status, r)
		}
		queued := w.retry.all()
		if len(queued) != 1 || len(w.results()) != 0 {
			t.Fatalf("%d jobs, %d results over MQTT; want 1 and 0", len(queued), len(w.results()))
		}
		if queued[0].Thing != vac || queued[0].ClientID != vac || queued[0].Action != "replenish" || queued[0].TraceID != "1" {
			t.Errorf("job = %+v", queued[0])
		}
		if status, r := w.post(`{"slot":"filter","id":"1"}`); status != 202 || r.Outcome != message.Retrying {
			t.Errorf("asked again: %d %+v, want 202", status, r)
		}
		if got := len(w.retry.all()); got != 1 {
			t.Errorf("%d jobs after asking again, want the one there is", got)
		}
		if err := w.Rule(w.Context(), queued[0]); err != nil {
			t.Fatalf("job: %v", err)
		}
		want(t, w.last(), message.Ordered, "ORDER_INPROGRESS")
		status, again := w.post(`{"slot":"filter","id":"1"}`)
		if status != 200 || !again.Replayed || again.InstanceID != w.drs.Orders()[0].ID {
			t.Errorf("asked afterwards: %d %+v, want the job's result", status, again)
		}
		w.wantOrders(1)
	})
}

// A promise that can't be kept is not made.
func TestQueueIsDown(t *testing.T) {
	bubble(t, func(w *world) {
		w.retry.err = errors.New("queue is away")
		w.script(drstest.RouteReplenish, drstest.DropAfter)
		rec := w.call("POST", "/v1/replenish", `{"slot":"filter"}`)
		p := w.problem(rec)
		if p.Status != 503 || p.Code != "unavailable" || rec.Header().Get("Retry-After") == "" {
			t.Fatalf("problem = %+v %v, want 503 with Retry-After", p, rec.Header())
		}
		// It made up the ID, so it must say it: what was sent may have ordered.
		_, id, ok := strings.Cut(p.Detail, "with the id ")
		if !ok {
			t.Fatalf("detail = %q, want it to name the id", p.Detail)
		}
		status, r := w.post(`{"slot":"filter","id":"` + id + `"}`)
		if status != 200 || r.Outcome != message.Ordered || r.DetailCode != "ORDER_INPROGRESS" {
			t.Errorf("tried again at once: %d %+v, want the first one's order", status, r)
		}
		w.wantOrders(1)
	})
}

// What could not be queued is no promise: whoever asks again gets it queued.
func TestQueueIsBack(t *testing.T) {
	bubble(t, func(w *world) {
		w.retry.err = errors.New("queue is away")
		w.script(drstest.RouteReplenish, drstest.Throttled, drstest.Throttled)
		if rec := w.call("POST", "/v1/replenish", `{"slot":"filter","id":"1"}`); rec.Code != 503 {
			t.Fatalf("status = %d, want 503", rec.Code)
		}
		w.retry.err = nil
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 || len(w.retry.all()) != 1 {
			t.Errorf("asked again: %d, %d jobs; want 202 and a job", status, len(w.retry.all()))
		}
	})
}

// A refusal that was settled is no doubt: an open order of another press is none of this one.
func TestQueueIsDownWithoutDoubt(t *testing.T) {
	bubble(t, func(w *world) {
		w.retry.err = errors.New("queue is away")
		w.script(drstest.RouteReplenish, drstest.Throttled)
		if rec := w.call("POST", "/v1/replenish", `{"slot":"filter","id":"1"}`); rec.Code != 503 {
			t.Fatalf("status = %d, want 503", rec.Code)
		}
		w.done("filter", "2")
		if _, r := w.post(`{"slot":"filter","id":"1"}`); r.Outcome != message.InProgress {
			t.Errorf("result = %+v, want in_progress", r)
		}
	})
}

func TestStoreIsDown(t *testing.T) {
	for name, down := range map[string]func(string, store.Record) error{
		"registration": down("get", new(store.Registration)),
		"claim":        down("put", new(store.Message)),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.store.before = down
				rec := w.call("POST", "/v1/replenish", `{"slot":"filter","id":"1"}`)
				if p := w.problem(rec); p.Status != 503 || rec.Header().Get("Retry-After") == "" {
					t.Errorf("problem = %+v, want 503 with Retry-After", p)
				}
				w.wantCalls(0)
				w.store.before = nil
				if status, r := w.post(`{"slot":"filter","id":"1"}`); status != 200 || r.Outcome != message.Ordered {
					t.Errorf("later: %d %+v", status, r)
				}
			})
		})
	}
}

// A write of the claim whose answer got lost blocks the message for as long as a claim
// lasts, and then the promised job makes the order.
func TestClaimWrittenUnheard(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.after = down("put", new(store.Message))
		if rec := w.call("POST", "/v1/replenish", `{"slot":"filter","id":"1"}`); rec.Code != 503 {
			t.Fatalf("status = %d, want 503", rec.Code)
		}
		w.store.after = nil
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 {
			t.Fatalf("status = %d, want 202", status)
		}
		time.Sleep(time.Minute)
		if err := w.Rule(w.Context(), w.retry.all()[0]); err != nil {
			t.Fatal(err)
		}
		want(t, w.last(), message.Ordered, "STANDARD_ORDER_PLACED")
		w.wantOrders(1)
	})
}

// An order that was begun is finished, although the device has hung up.
func TestDeviceHangsUp(t *testing.T) {
	bubble(t, func(w *world) {
		w.slow(3 * time.Second)
		ctx, cancel := context.WithCancel(w.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		r := httptest.NewRequestWithContext(ctx, "POST", "/v1/replenish", strings.NewReader(`{"slot":"filter","id":"1"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+w.key)
		w.routes.ServeHTTP(httptest.NewRecorder(), r)
		synctest.Wait()
		if m := w.message("1"); m.State != store.Done || m.Result.Outcome != message.Ordered {
			t.Errorf("stored message = %+v, want it done", m)
		}
		if status, again := w.post(`{"slot":"filter","id":"1"}`); status != 200 || !again.Replayed {
			t.Errorf("asked again: %d %+v", status, again)
		}
	})
}

// A key of a deregistered device stays known: a press gets an outcome, not a 401.
func TestDeregisteredDevice(t *testing.T) {
	bubble(t, func(w *world) {
		w.register(store.Deregistered, store.ReasonDeregistered)
		status, r := w.post(`{"slot":"filter"}`)
		if status != 200 || r.Outcome != message.NotRegistered {
			t.Errorf("answer = %d %+v, want 200 not_registered", status, r)
		}
		w.wantCalls(0)
	})
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"keeper":      {&tokens.UnavailableError{RetryAfter: 42 * time.Second, Err: errors.New("down")}, "42"},
		"credentials": {&tokens.CredentialsError{Err: errors.New("invalid_client")}, "300"},
		"DRS":         {&drs.Error{StatusCode: 429, RetryAfter: 17 * time.Second}, "17"},
		"nobody":      {&drs.Error{StatusCode: 500}, "5"},
	} {
		bubble(t, func(w *world) {
			w.retry.err = errors.New("queue is away")
			w.keeper.err = tt.err
			rec := w.call("POST", "/v1/replenish", `{"slot":"filter"}`)
			if got := rec.Header().Get("Retry-After"); rec.Code != 503 || got != tt.want {
				t.Errorf("%s: %d, Retry-After = %q, want 503, %s", name, rec.Code, got, tt.want)
			}
		})
	}
}
