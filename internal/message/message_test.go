package message_test

import (
	"encoding/json"
	"testing"

	"github.com/restock-dev/restock/internal/message"
)

func TestTopics(t *testing.T) {
	const name = "ACME-VAC-1::SN:2B1"
	up := message.Up(name, message.ActionReplenish)
	if up != "dash/v1/up/"+name+"/replenish" {
		t.Errorf("Up() = %q", up)
	}
	if thing, action, ok := message.ParseUp(up); !ok || thing != name || action != "replenish" {
		t.Errorf("ParseUp(%q) = %q, %q, %v", up, thing, action, ok)
	}
	down := message.Down(name, message.EventResult)
	if thing, event, ok := message.ParseDown(down); !ok || thing != name || event != "result" {
		t.Errorf("ParseDown(%q) = %q, %q, %v", down, thing, event, ok)
	}
	for _, topic := range []string{"", "dash/v1/up/", "dash/v1/up/x", "dash/v1/up/x/", "dash/v1/up//a", "dash/v1/up/x/a/b", down} {
		if thing, action, ok := message.ParseUp(topic); ok {
			t.Errorf("ParseUp(%q) = %q, %q, want none", topic, thing, action)
		}
	}
}

// A device reads a result by its member names, and counts on all eight.
func TestResultHasAllMembers(t *testing.T) {
	text, err := json.Marshal(message.Result{})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "thing", "slot", "outcome", "detail_code", "instance_id", "replayed", "at"} {
		if _, ok := members[name]; !ok {
			t.Errorf("an empty result has no %q: %s", name, text)
		}
	}
	if len(members) != 8 {
		t.Errorf("result has %d members, want 8: %s", len(members), text)
	}
}
