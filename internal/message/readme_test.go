package message_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
)

// What the README shows of a device's words is what they are.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for name, example := range map[string]struct {
		pattern string
		into    any
	}{
		"press":  {`(?s)POST /v1/replenish\n.*?\n\n(\{.*?\})\n`, new(message.Replenish)},
		"result": {"(?s)```json\n(\\{.*?\\})\n```", new(message.Result)},
	} {
		t.Run(name, func(t *testing.T) {
			found := regexp.MustCompile(example.pattern).FindStringSubmatch(readme)
			if found == nil {
				t.Fatal("the README has no such example")
			}
			if err := json.Unmarshal([]byte(found[1]), example.into); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(example.into)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(members(t, []byte(found[1])), members(t, again)); diff != "" {
				t.Errorf("the README's example and what is sent (-README +sent):\n%s", diff)
			}
		})
	}
	for _, outcome := range []message.Outcome{
		message.Ordered, message.TestOrdered, message.InProgress, message.NotSubscribed, message.UnknownSlot,
		message.NotRegistered, message.GrantEnded, message.Retrying, message.Failed,
	} {
		if !strings.Contains(readme, "`"+string(outcome)+"`") {
			t.Errorf("the README does not name the outcome %q", outcome)
		}
	}
}

func members(t *testing.T, text []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
