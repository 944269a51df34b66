package replenish_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/replenish"
)

// A payload that is no valid message gets a failed result, with what is valid of it.
func TestBadMessage(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, tt := range []struct{ name, payload, id, slot string }{
		{"empty", ``, "trace-1", ""},
		{"no JSON", `press!`, "trace-1", ""},
		{"binary", "\x00\xff\xfe", "trace-1", ""},
		{"not UTF-8", "{\"slot\":\"\xff\"}", "trace-1", ""},
		{"array", `["filter"]`, "trace-1", ""},
		{"null", `null`, "trace-1", ""},
		{"number", `7`, "trace-1", ""},
		{"two values", `{"slot":"filter"}{}`, "trace-1", ""},
		{"truncated", `{"slot":"filter"`, "trace-1", ""},
		{"over 64 KiB", `{"slot":"filter","x":"` + strings.Repeat("x", 64<<10) + `"}`, "trace-1", ""},
		{"deep", strings.Repeat(`{"slot":`, 20000), "trace-1", ""},
		{"no slot", `{"id":"7"}`, "7", ""},
		{"empty slot", `{"slot":"","id":"7"}`, "7", ""},
		{"null slot", `{"slot":null,"id":"7"}`, "7", ""},
		{"slot of another type", `{"slot":7,"id":"7"}`, "7", ""},
		{"slot too long", `{"slot":"` + long + `","id":"7"}`, "7", ""},
		{"slot with control character", `{"slot":"fil\u0007ter","id":"7"}`, "7", ""},
		{"id of another type", `{"slot":"filter","id":7}`, "trace-1", "filter"},
		{"id too long", `{"slot":"filter","id":"` + long + `"}`, "trace-1", "filter"},
		{"id with a line break", `{"slot":"filter","id":"a\nb"}`, "trace-1", "filter"},
		{"id not ASCII", `{"slot":"filter","id":"é"}`, "trace-1", "filter"},
		{"both wrong", `{"slot":[],"id":{}}`, "trace-1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				_, puts := w.store.counts()
				if err := w.Rule(w.Context(), up(message.ActionReplenish, tt.payload)); err != nil {
					t.Fatalf("Rule() = %v, want nil: to try it again is of no use", err)
				}
				r := w.last()
				want(t, r, message.Failed, "BAD_MESSAGE")
				if r.ID != tt.id || r.Slot != tt.slot || r.Thing != vac || r.At.IsZero() {
					t.Errorf("result = %+v, want id %q and slot %q", r, tt.id, tt.slot)
				}
				w.wantCalls(0)
				if _, after := w.store.counts(); after != puts {
					t.Error("a bad message was stored: its id could not be used any more")
				}
				if got := w.counted("MessageRefused", "action", "replenish", "reason", "payload"); got != 1 {
					t.Errorf("counted %v refusals, want 1", got)
				}
				if malformed, failed := w.counted("Press", "outcome", "malformed"), w.counted("Press", "outcome", "failed"); malformed != 1 || failed != 0 {
					t.Errorf("counted %v presses as malformed and %v as failed, want 1 and 0: an alarm looks at the latter", malformed, failed)
				}
			})
		})
	}
}

func TestGoodMessages(t *testing.T) {
	for name, tt := range map[string]struct{ payload, id string }{
		"all ASCII":       {`{"slot":"filter","id":" !\"#$%&'()*+,-./:;<=>?@[\\]^_{|}~"}`, ` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~`},
		"longest id":      {`{"slot":"filter","id":"` + strings.Repeat("~", 128) + `"}`, strings.Repeat("~", 128)},
		"empty id":        {`{"slot":"filter","id":""}`, "trace-1"},
		"null id":         {`{"slot":"filter","id":null}`, "trace-1"},
		"unknown members": {`{"slot":"filter","id":"7","firmware":{"v":[1,2]}}`, "7"},
		"white space":     {" {\r\n\t\"slot\" : \"filter\" , \"id\" : \"7\" } \n", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				if err := w.Rule(w.Context(), up(message.ActionReplenish, tt.payload)); err != nil {
					t.Fatal(err)
				}
				if r := w.last(); r.Outcome != message.Ordered || r.ID != tt.id {
					t.Errorf("result = %+v, want ordered, id %q", r, tt.id)
				}
			})
		})
	}
}

// Bad news that could not be told comes again like any other.
func TestBadMessageIsToldAgain(t *testing.T) {
	bubble(t, func(w *world) {
		w.told.fail(errors.New("broker is away"))
		err := w.Rule(w.Context(), up(message.ActionReplenish, `{}`))
		var again *replenish.RetryError
		if !errors.As(err, &again) {
			t.Errorf("Rule() = %v, want a RetryError", err)
		}
	})
}

// Where not even the sender can be told, the refusal is counted and logged.
func TestRefusedMessages(t *testing.T) {
	good := pressed("filter", "1")
	for _, tt := range []struct {
		name   string
		change func(*message.RuleEvent)
		reason string
	}{
		{"another client", func(e *message.RuleEvent) { e.ClientID = "ACME-VAC-1::SN9" }, "client_id"},
		{"no client", func(e *message.RuleEvent) { e.ClientID = "n/a" }, "client_id"},
		{"empty client", func(e *message.RuleEvent) { e.ClientID = "" }, "client_id"},
		{"no thing name", func(e *message.RuleEvent) { e.Thing, e.ClientID = "vacuum", "vacuum" }, "thing"},
		{"thing name with a plus", func(e *message.RuleEvent) { e.Thing, e.ClientID = "A::B+", "A::B+" }, "thing"},
		{"empty thing", func(e *message.RuleEvent) { e.Thing, e.ClientID = "", "" }, "thing"},
		{"unknown action", func(e *message.RuleEvent) { e.Action = "explode" }, "action"},
		{"empty action", func(e *message.RuleEvent) { e.Action = "" }, "action"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				e := good
				tt.change(&e)
				if err := w.Rule(w.Context(), e); err != nil {
					t.Errorf("Rule() = %v, want nil: to try it again is of no use", err)
				}
				if got := w.told.all(); len(got) != 0 {
					t.Errorf("somebody was told: %v", got)
				}
				w.wantCalls(0)
				if got := w.counted("MessageRefused", "reason", tt.reason); got != 1 {
					t.Errorf("refusals for %s = %v, want 1; counts: %v", tt.reason, got, w.counts.Snapshot())
				}
			})
		})
	}
}
