package replenish_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/thing"
)

// Whatever comes over MQTT ends as a result, a report or a counted refusal.
func FuzzRule(f *testing.F) {
	for _, seed := range []struct{ action, payload string }{
		{"replenish", `{"slot":"filter","id":"1"}`},
		{"replenish", `{"slot":"filter"}`},
		{"replenish", `{"slot":"brush","id":" ~"}`},
		{"replenish", `{"slot":7,"id":"é"}`},
		{"replenish", `{"slot":"..","id":"\u0000"}`},
		{"replenish", "\x00\xff"},
		{"replenish", `[[[[`},
		{"slot-status", slotStatus},
		{"slot-status", `{"slot":"filter","remaining":1e-400,"original":-0}`},
		{"device-status", `{"last_active":"2026-01-08"}`},
		{"device-status", `{"last_active":"2026-01-08T10:00:00.123456789+14:00"}`},
		{"registration", `{}`},
		{"pairing", ``},
		{"explode", `{}`},
	} {
		f.Add([]byte(seed.payload), vac, seed.action, vac, "trace", int64(1))
	}
	f.Add([]byte(`{"slot":"filter"}`), "A::B", "replenish", "A::B", "Undefined", int64(-1))
	f.Add([]byte(`{"slot":"filter"}`), vac, "replenish", "n/a", "", int64(0))
	f.Add([]byte(`{"slot":"filter"}`), "::", "", "::", "\xff", int64(0))
	f.Fuzz(func(t *testing.T, data []byte, name, action, client, trace string, at int64) {
		w := newWorld(t)
		e := message.RuleEvent{Data: data, Thing: name, Action: action, ClientID: client, TraceID: trace, ReceivedAt: at}
		if err := w.Rule(t.Context(), e); err != nil {
			t.Fatalf("Rule() = %v although nothing is out of order here", err)
		}
		ended := len(w.told.all()) + int(w.counted("Report"))
		refused := int(w.counted("MessageRefused"))
		if ended != 1 && refused != 1 {
			t.Errorf("%d results and reports, %d refusals; want one", ended, refused)
		}
		checkTold(t, w, e)
	})
}

func checkTold(t *testing.T, w *world, e message.RuleEvent) {
	_, err := thing.Parse(e.Thing)
	own := err == nil && e.ClientID == e.Thing
	for _, told := range w.told.all() {
		if !own || told.thing != e.Thing {
			t.Errorf("%s was told something that %s asked", told.thing, e.ClientID)
		}
		r, ok := told.payload.(message.Result)
		if !ok {
			continue
		}
		if r.ID == "" || len(r.ID) > 128 || len(r.Slot) > 128 || !utf8.ValidString(r.Slot) || !r.Outcome.Final() || r.At.IsZero() {
			t.Errorf("result = %+v", r)
		}
		if (r.Slot == "") && r.DetailCode != "BAD_MESSAGE" {
			t.Errorf("a press without slot ended as %+v", r)
		}
	}
	if own && e.Action == message.ActionReplenish && len(w.told.all()) != 1 {
		t.Errorf("a press had %d results", len(w.told.all()))
	}
}

// No request, however odd, is a fault of ours, and without the key nothing happens.
func FuzzHTTP(f *testing.F) {
	f.Add("POST", "/v1/replenish", []byte(`{"slot":"filter","id":"1"}`), "1", "application/json", true)
	f.Add("POST", "/v1/replenish", []byte(`{"slot":"filter"}`), "", "application/json; charset=utf-8", false)
	f.Add("POST", "/v1/replenish", []byte(`{"slot":"brush","id":1}`), "é", "application/json", true)
	f.Add("POST", "/v1/slot-status", []byte(slotStatus), "", "application/json", true)
	f.Add("POST", "/v1/device-status", []byte(`{"last_active":"2026-01-08"}`), "", "application/json", true)
	f.Add("GET", "/v1/registration", []byte(``), "", "", true)
	f.Add("DELETE", "/v1/registration", []byte(`{`), "", "text/plain", true)
	f.Add("PUT", "/v1/../v1/registration", []byte("\xff"), "", "", false)
	f.Fuzz(func(t *testing.T, method, path string, body []byte, key, media string, known bool) {
		if !slices.Contains([]string{"GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"}, method) || !strings.HasPrefix(path, "/") {
			return
		}
		w := newWorld(t)
		r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(string(body)))
		r.URL.Path = path
		r.Header["Content-Type"] = []string{media}
		r.Header["Idempotency-Key"] = []string{key}
		if known {
			r.Header.Set("Authorization", "Bearer "+w.key)
		}
		_, puts := w.store.counts()
		rec := httptest.NewRecorder()
		w.routes.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("answer = %d %s", rec.Code, rec.Body)
		}
		if rec.Code >= 400 && rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("answer = %d %v %s, want a problem", rec.Code, rec.Header(), rec.Body)
		}
		if _, after := w.store.counts(); !known && (after != puts || len(w.drs.Journal()) != 0) {
			t.Error("a request without key led to a write or to a call to DRS")
		}
	})
}

// A body of the queue is done, refused, or goes to the dead letters.
func FuzzQueue(f *testing.F) {
	f.Add(body(pressed("filter", "1")))
	f.Add(failureRecord(pressed("filter", "1")))
	f.Add(errorAction("dash/v1/up/"+vac+"/replenish", `{"slot":"filter"}`))
	f.Add(errorAction("$aws/rules/", `{}`))
	f.Add(`{"requestPayload":null,"topic":"dash/v1/up/a/b"}`)
	f.Add(`{"thing":"x","action":"y","data":""}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		w := newWorld(t)
		response, err := w.Queue(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: text}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(response.BatchItemFailures); float64(got) != w.counted("QueueMalformed") {
			t.Errorf("%d failures, %v malformed; want the same where nothing is out of order", got, w.counted("QueueMalformed"))
		}
		if json.Valid([]byte(text)) {
			return
		}
		if len(response.BatchItemFailures) != 1 || len(w.told.all()) != 0 {
			t.Errorf("what is no JSON was taken: %v", w.told.all())
		}
	})
}
