// Package events_test checks the event files themselves. The functions' own tests feed
// them to the handlers.
package events_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func files(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.json")
	if err != nil || len(found) == 0 {
		t.Fatalf("no events (%v)", err)
	}
	return found
}

// An event that no function's test picks up, or an expectation without its event, would
// lie here and prove nothing.
func TestEachEventIsFed(t *testing.T) {
	all := files(t)
	for _, file := range all {
		function, _, _ := strings.Cut(file, "-")
		if _, err := os.Stat(filepath.Join("..", "functions", function, "main_test.go")); err != nil {
			t.Errorf("%s is of no function: %v", file, err)
		}
		name := strings.TrimSuffix(strings.TrimSuffix(file, ".json"), ".want")
		for _, other := range []string{name + ".json", name + ".want.json"} {
			if !slices.Contains(all, other) {
				t.Errorf("%s is without %s", file, other)
			}
		}
	}
	mains, err := filepath.Glob("../functions/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, main := range mains {
		if ordinary := filepath.Base(filepath.Dir(main)) + "-ok.json"; !slices.Contains(all, ordinary) {
			t.Errorf("the ordinary case %s is missing", ordinary)
		}
	}
}

// Each route of the API has an event.
func TestEachRouteHasAnEvent(t *testing.T) {
	used := map[string]bool{}
	for _, file := range files(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ RouteKey string }
		if json.Unmarshal(text, &e) == nil && e.RouteKey != "" {
			used[e.RouteKey] = true
		}
	}
	template, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`RouteKey: '?([^',]+)'?,`).FindAllSubmatch(template, -1)
	if len(keys) < 2 {
		t.Fatalf("%d routes found in the template", len(keys))
	}
	for _, key := range keys {
		if !used[string(key[1])] {
			t.Errorf("the route %s has no event", key[1])
		}
	}
}
