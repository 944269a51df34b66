// Package eventtest feeds the files in events/ to the functions' handlers, and compares
// what comes of them with the expectation that stands beside each file.
//
// An event file is what Lambda hands to a function, so it also feeds `sam local
// invoke`. Beside events/<function>-<case>.json lies events/<function>-<case>.want.json,
// a [Want]: how the event ends, and what is stored, published and queued afterwards.
package eventtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/wiring"
)

// Dir is where the events are, seen from a function's folder.
const Dir = "../../events"

// Build makes the function under test of parts.
type Build func(p *wiring.Parts) (*gateway.Function, error)

// Now is the time in which the events happen, as they are written.
var Now = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

// World is what a function is put into: something to be given, and to look at.
type World interface {
	Fixtures() *Fixtures
	// Invoke hands an event to the function, once. Of what came of it, it leaves State,
	// Calls and Window to [Case.Check].
	Invoke(t *testing.T, event []byte) *Outcome
}

// Run feeds every event of a function to it.
func Run(t *testing.T, function string, build Build) {
	t.Helper()
	cases, err := Cases(Dir, function)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			w, err := newLocal(t, build, c.Want.Env)
			if err != nil {
				t.Fatal(err)
			}
			c.Check(t, w)
		})
	}
}

// Case is an event with its expectation.
type Case struct {
	Name, Function string
	Event          []byte
	Want           *Want
}

// Cases reads the events of a function, "" for all. One without an expectation is an
// error.
func Cases(dir, function string) ([]*Case, error) {
	prefix := function
	if function != "" {
		prefix += "-"
	}
	files, err := filepath.Glob(filepath.Join(dir, prefix+"*.json"))
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, file := range files {
		if strings.HasSuffix(file, ".want.json") {
			continue
		}
		c := &Case{Name: strings.TrimSuffix(filepath.Base(file), ".json")}
		c.Function, _, _ = strings.Cut(c.Name, "-")
		if c.Event, err = os.ReadFile(file); err != nil {
			return nil, err
		}
		if c.Want, err = ReadWant(strings.TrimSuffix(file, ".json") + ".want.json"); err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("there is no event of %s in %s", function, dir)
	}
	return cases, nil
}

// Check gives the world what the event needs, has it happen, and compares what came of
// it. In a world of another time than [Now], all times move.
func (c *Case) Check(t *testing.T, w World) {
	t.Helper()
	o := c.happen(t, w)
	fixtures, moved := w.Fixtures(), w.Fixtures().Now.Sub(Now)
	calls, err := fixtures.Amazon.Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o.Calls = counts(calls)
	o.State = func(key string) (any, error) { return fixtures.record(t.Context(), key, o.Answer) }
	if moved != 0 {
		o = o.moved(-moved)
		o.Window = window
	}
	for _, fault := range c.Want.Compare(*o) {
		t.Error(fault)
	}
	if t.Failed() {
		t.Logf("answer: %s\nerror: %s\nlog:\n%s", o.Answer, o.Error, o.Log)
	}
}

// happen gives the world what the event needs and has it happen.
func (c *Case) happen(t *testing.T, w World) *Outcome {
	t.Helper()
	fixtures := w.Fixtures()
	for _, name := range c.Want.Given {
		if err := fixtures.Give(t.Context(), name); err != nil {
			t.Fatalf("given %s: %v", name, err)
		}
	}
	o := w.Invoke(t, move(c.Event, fixtures.Now.Sub(Now)))
	checkCanaries(t, o, fixtures.Secrets)
	return o
}

// checkCanaries looks for the secrets of the fixtures where none may be.
func checkCanaries(t *testing.T, o *Outcome, more map[string]string) {
	t.Helper()
	published, err := json.Marshal(o.Published)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{
		"log": o.Log, "error": o.Error, "answer": string(o.Answer), "message to a device": string(published),
	} {
		for _, all := range []map[string]string{secrets, more} {
			for name, secret := range all {
				if strings.Contains(text, secret) {
					t.Errorf("the %s holds the %s", place, name)
				}
			}
		}
	}
}
