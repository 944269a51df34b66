package eventtest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/eventtest"
)

func read(t *testing.T, text string) (*eventtest.Want, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.want.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return eventtest.ReadWant(file)
}

func TestReadWant(t *testing.T) {
	for name, text := range map[string]string{
		"empty":          `{}`,
		"no JSON":        `{`,
		"no end":         `{"state":{},"published":[]}`,
		"two ends":       `{"error":"x","result":null,"state":{},"published":[]}`,
		"no state":       `{"result":null,"published":[]}`,
		"no messages":    `{"result":null,"state":{}}`,
		"unknown member": `{"result":null,"state":{},"published":[],"sate":{}}`,
	} {
		if w, err := read(t, text); err == nil {
			t.Errorf("%s: ReadWant() = %+v, want an error", name, w)
		}
	}
	if _, err := eventtest.ReadWant(filepath.Join(t.TempDir(), "none.want.json")); err == nil {
		t.Error("an event without expectation is fine")
	}
	if _, err := read(t, `{"result":null,"state":{},"published":[]}`); err != nil {
		t.Error(err)
	}
}

const answer = `{"statusCode":200,"headers":{"Content-Type":"text/html"},"cookies":["a=1","b=2"],"body":"{\"slot\":\"filter\",\"n\":1,\"list\":[1,2]}"}`

func outcome() eventtest.Outcome {
	return eventtest.Outcome{
		Answer:    []byte(answer),
		Published: []eventtest.Message{{Topic: "a", Payload: map[string]any{"x": "1"}}, {Topic: "b"}},
		Queued:    []any{"q"},
		Sent:      []string{"s"},
		Calls:     map[string]int{"token": 1, "other": 0},
		State: func(key string) (any, error) {
			if key != "D#a REG" {
				return nil, nil
			}
			return map[string]any{"status": "active", "at": "2026-01-08T10:00:00Z"}, nil
		},
	}
}

// full is an expectation that fits outcome.
func full() map[string]any {
	return map[string]any{
		"http": map[string]any{
			"status": 200, "headers": map[string]any{"Content-Type": "~text/.*", "X": ""}, "cookies": []any{"~b=.", "a=1"},
			"body": map[string]any{"slot": "filter", "n": 1, "list": []any{1, 2}, "gone": nil}, "text": []any{"filter"}, "no_text": []any{"secret"},
		},
		"state":     map[string]any{"D#a REG": map[string]any{"status": "active", "at": "~2026.*", "reason": nil}, "D#b REG": nil},
		"published": []any{map[string]any{"topic": "b"}, map[string]any{"topic": "a", "payload": map[string]any{"x": "1"}}},
		"queued":    []any{"q"}, "sent": []any{"s"}, "calls": map[string]any{"token": 1},
	}
}

func compare(t *testing.T, expected map[string]any, o eventtest.Outcome) []string {
	t.Helper()
	text, err := json.Marshal(expected)
	if err != nil {
		t.Fatal(err)
	}
	w, err := read(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return w.Compare(o)
}

func TestCompare(t *testing.T) {
	if faults := compare(t, full(), outcome()); len(faults) > 0 {
		t.Errorf("what fits does not: %s", faults)
	}
	set := func(v any, path ...string) func(map[string]any) {
		return func(m map[string]any) {
			for _, name := range path[:len(path)-1] {
				m = m[name].(map[string]any)
			}
			m[path[len(path)-1]] = v
		}
	}
	for name, change := range map[string]func(map[string]any){
		"status":            set(201, "http", "status"),
		"header":            set("~application/.*", "http", "headers", "Content-Type"),
		"missing header":    set("y", "http", "headers", "Y"),
		"header there":      set("", "http", "headers", "Content-Type"),
		"one cookie":        set([]any{"a=1"}, "http", "cookies"),
		"same cookie twice": set([]any{"a=1", "a=1"}, "http", "cookies"),
		"body member":       set("bag", "http", "body", "slot"),
		"number":            set(2, "http", "body", "n"),
		"list":              set([]any{1, 2, 3}, "http", "body", "list"),
		"order of a list":   set([]any{2, 1}, "http", "body", "list"),
		"not absent":        set(nil, "http", "body", "slot"),
		"absent":            set("x", "http", "body", "gone"),
		"text":              set([]any{"brush"}, "http", "text"),
		"no text":           set([]any{"filter"}, "http", "no_text"),
		"part of a pattern": set("~acti", "state", "D#a REG", "status"),
		"bad pattern":       set("~(", "state", "D#a REG", "status"),
		"record":            set(map[string]any{"status": "active"}, "state", "D#b REG"),
		"no record":         set(nil, "state", "D#a REG"),
		"fewer messages":    set([]any{map[string]any{"topic": "a"}}, "published"),
		"other message":     set([]any{map[string]any{"topic": "a"}, map[string]any{"topic": "c"}}, "published"),
		"payload":           set([]any{map[string]any{"topic": "a", "payload": map[string]any{"x": "2"}}, map[string]any{"topic": "b"}}, "published"),
		"queued":            set([]any{}, "queued"),
		"sent":              set([]any{"s", "s"}, "sent"),
		"calls":             set(2, "calls", "token"),
		"no calls":          set(map[string]any{}, "calls"),
		"unknown route":     set(0, "calls", "tokens"),
	} {
		expected := full()
		change(expected)
		if faults := compare(t, expected, outcome()); len(faults) == 0 {
			t.Errorf("%s: nothing is found wrong", name)
		}
	}
}

func TestCompareEnds(t *testing.T) {
	nothing := func(end string, value any) map[string]any {
		return map[string]any{end: value, "state": map[string]any{}, "published": []any{}}
	}
	failed := eventtest.Outcome{Error: "*gateway.EventError: refresh takes"}
	null := eventtest.Outcome{Answer: []byte("null")}
	for name, tt := range map[string]struct {
		expected map[string]any
		outcome  eventtest.Outcome
		fits     bool
	}{
		"error":             {nothing("error", "EventError"), failed, true},
		"another error":     {nothing("error", "RetryError"), failed, false},
		"no error":          {nothing("error", "EventError"), null, false},
		"error, not answer": {nothing("result", nil), failed, false},
		"null":              {nothing("result", nil), null, true},
		"not null":          {nothing("result", nil), eventtest.Outcome{Answer: []byte(`{}`)}, false},
		"no answer":         {nothing("result", nil), eventtest.Outcome{}, false},
		"not over HTTP":     {nothing("http", map[string]any{"status": 200}), null, false},
		"null for no list":  {nothing("result", map[string]any{"l": []any{}}), eventtest.Outcome{Answer: []byte(`{"l":null}`)}, true},
	} {
		if faults := compare(t, tt.expected, tt.outcome); (len(faults) == 0) != tt.fits {
			t.Errorf("%s: faults = %s, want them: %v", name, strings.Join(faults, "; "), !tt.fits)
		}
	}
}
