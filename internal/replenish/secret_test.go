package replenish_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// Tokens, keys and payloads reach nothing but DRS. The log is searched by TestMain; the
// answers over HTTPS by call.
func TestSecretsStayInside(t *testing.T) {
	const extra = `,"note":"canary-payload"}`
	bubble(t, func(w *world) {
		var all strings.Builder
		say := func(v any) { fmt.Fprintf(&all, "%v %+v\n", v, v) }
		mqtt := func(action, payload string) { say(w.Rule(w.Context(), up(action, payload))) }
		press := func() {
			mqtt("replenish", `{"slot":"filter"`+extra)
			mqtt("slot-status", `{"slot":"filter","remaining":1`+extra)
			say(w.call("POST", "/v1/replenish", `{"slot":"filter"`+extra).Body)
			say(w.call("POST", "/v1/slot-status", `{"slot":"filter","remaining":1`+extra).Body)
			say(w.queue(body(up("replenish", `{"slot":"filter"`+extra)), `{"canary":1}`))
		}
		press()
		for _, kind := range []drstest.Kind{drstest.DropAfter, drstest.HTML, drstest.ServerTrouble, drstest.InvalidToken} {
			w.script(drstest.RouteReplenish, kind, kind, kind)
			w.script(drstest.RouteSlotStatus, kind, kind)
			w.script(drstest.RouteDeregister, kind, kind)
			press()
			say(w.call("DELETE", "/v1/registration", "").Body)
			w.drs.ClearFaults()
		}
		for _, err := range []error{
			&tokens.CredentialsError{Err: errors.New("refused")}, &tokens.SealError{Thing: vac, Err: errors.New("no key")},
			&tokens.UnexpectedError{Err: errors.New("odd")}, errors.New("fault"),
		} {
			w.keeper.err = err
			press()
		}
		mqtt("replenish", `{"slot":"canary`)
		mqtt("slot-status", `{"slot":"filter","remaining":"canary"}`)
		mqtt("device-status", `{"last_active":"canary"}`)
		w.key = "canary.canary"
		say(w.call("GET", "/v1/registration", "").Body)

		for _, v := range []any{w.told.all(), w.retry.all(), w.counts.Snapshot(), w.store.records} {
			text, err := json.Marshal(plain(v))
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		if at := strings.Index(all.String(), "canary"); at >= 0 {
			t.Errorf("a secret got out: …%.200s", all.String()[max(0, at-100):])
		}
	})
}

// plain makes everything in v visible to JSON.
func plain(v any) any {
	switch v := v.(type) {
	case []event:
		var list []any
		for _, e := range v {
			list = append(list, e.thing, e.event, e.payload)
		}
		return list
	case []message.RuleEvent:
		var list []any
		for _, e := range v {
			list = append(list, e, string(e.Data))
		}
		return list
	}
	return fmt.Sprintf("%s", v)
}

func TestDeregisterRefused(t *testing.T) {
	bubble(t, func(w *world) {
		w.DRS = refusing{w.DRS}
		p := w.problem(w.call("DELETE", "/v1/registration", ""))
		if p.Status != 422 || p.Code != "refused_by_drs" || w.registration().Status != "active" {
			t.Errorf("problem = %+v, registration %s; want 422 and nothing changed", p, w.registration().Status)
		}
	})
}
