// Package eventtest feeds the files in events/ to the functions' handlers, and compares
// what comes of them with the expectation that stands beside each file.
//
// An event file is what Lambda hands to a function, so it also feeds `sam local
// invoke`. Beside events/<function>-<case>.json lies events/<function>-<case>.want.json,
// a [Want]: how the event ends, and what is stored, published and queued afterwards.
package eventtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/gateway"
)

// Dir is where the events are, seen from a function's folder.
const Dir = "../../events"

// Build makes the function under test of parts.
type Build func(p *cloud.Parts) (*gateway.Function, error)

// Run feeds every event of a function to it.
func Run(t *testing.T, function string, build Build) {
	t.Helper()
	files, err := Files(Dir, function)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("there is no event of %s in %s", function, Dir)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { runFile(t, file, build) })
	}
}

// Files returns the event files of a function.
func Files(dir, function string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, function+"-*.json"))
	if err != nil {
		return nil, err
	}
	var events []string
	for _, f := range all {
		if !strings.HasSuffix(f, ".want.json") {
			events = append(events, f)
		}
	}
	return events, nil
}

func runFile(t *testing.T, file string, build Build) {
	t.Helper()
	event, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ReadWant(strings.TrimSuffix(file, ".json") + ".want.json")
	if err != nil {
		t.Fatal(err)
	}
	w := NewWorld(t, want.Env)
	for _, name := range want.Given {
		if err := w.Give(t.Context(), name); err != nil {
			t.Fatalf("given %s: %v", name, err)
		}
	}
	f, err := build(w.Parts)
	if err != nil {
		t.Fatal(err)
	}
	logged := captureLog(t)
	answer, failed := f.Invoke(t.Context(), event)
	outcome := Outcome{Answer: answer, Published: w.published.list(), Queued: w.queue.list(), Sent: w.fanout.list(), Bus: w.bus.list()}
	if failed != nil {
		outcome.Error = fmt.Sprintf("%T: %v", failed, failed)
	}
	outcome.State = func(key string) (any, error) { return w.record(t.Context(), key, answer) }
	outcome.Calls = w.calls()
	for _, fault := range want.Compare(outcome) {
		t.Error(fault)
	}
	if t.Failed() {
		t.Logf("answer: %s\nerror: %s\nlog:\n%s", answer, outcome.Error, logged)
	}
	checkCanaries(t, logged.String(), outcome)
}

// captureLog returns what is logged from now on.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &out
}

// checkCanaries looks for the secrets of the fixtures where none may be.
func checkCanaries(t *testing.T, logged string, o Outcome) {
	t.Helper()
	published, err := json.Marshal(o.Published)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{
		"log": logged, "error": o.Error, "answer": string(o.Answer), "message to a device": string(published),
	} {
		for name, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds the %s", place, name)
			}
		}
	}
}
