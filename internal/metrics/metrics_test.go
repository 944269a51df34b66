package metrics_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/metrics"
)

func count(t *testing.T, name string, n float64, dimensions ...string) map[string]any {
	t.Helper()
	var out bytes.Buffer
	e := &metrics.EMF{Function: "replenish", Writer: &out, Now: func() time.Time { return time.UnixMilli(1_780_000_000_123) }}
	e.Count(name, n, dimensions...)
	if out.Len() == 0 {
		return nil
	}
	if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("a count is not one line: %q", out.String())
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func TestEMF(t *testing.T) {
	got := count(t, "press", 2, "outcome", "ordered")
	want := map[string]any{
		"_aws": map[string]any{
			"Timestamp": 1_780_000_000_123.,
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace":  "Restock",
				"Dimensions": []any{[]any{"function", "outcome"}},
				"Metrics":    []any{map[string]any{"Name": "press", "Unit": "Count"}},
			}},
		},
		"function": "replenish", "outcome": "ordered", "press": 2.,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line differs (-want +got):\n%s", diff)
	}
}

func TestSeconds(t *testing.T) {
	var out bytes.Buffer
	e := &metrics.EMF{Function: "refresh", Writer: &out, Now: func() time.Time { return time.UnixMilli(1) }}
	e.Seconds("age", 1500*time.Millisecond)
	want := `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"Restock","Dimensions":[["function"]],` +
		`"Metrics":[{"Name":"age","Unit":"Seconds"}]}]},"age":1.5,"function":"refresh"}`
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("line = %s\nwant   %s", got, want)
	}
	// A duration is not added up: what counts is how long it is now.
	var m metrics.Memory
	m.Seconds("age", time.Minute, "k", "v")
	m.Seconds("age", time.Second, "k", "v")
	if diff := cmp.Diff([]metrics.Sample{{Name: "age", Dimensions: map[string]string{"k": "v"}, Value: 1}}, m.Snapshot()); diff != "" {
		t.Errorf("snapshot differs (-want +got):\n%s", diff)
	}
}

// dimensionsOf returns the one dimension set of a line, after checking that each key
// is a string member of the root.
func dimensionsOf(t *testing.T, line map[string]any) []string {
	t.Helper()
	var m struct {
		AWS struct {
			CloudWatchMetrics []struct{ Dimensions [][]string }
		} `json:"_aws"`
	}
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.AWS.CloudWatchMetrics) != 1 || len(m.AWS.CloudWatchMetrics[0].Dimensions) != 1 {
		t.Fatalf("want one directive with one set of dimensions: %s", text)
	}
	keys := m.AWS.CloudWatchMetrics[0].Dimensions[0]
	for _, key := range keys {
		if _, ok := line[key].(string); !ok {
			t.Errorf("dimension %q is no string member of the root: %s", key, text)
		}
	}
	return keys
}

func TestNoDimensionNamesADevice(t *testing.T) {
	for _, tt := range []struct{ key, value string }{
		{"thing", "plain"},
		{"serial", "SN0001"},
		{"device_model", "ACME-VAC-1"},
		{"id", "7"},
		{"customer_id", "amzn1.account.X"},
		{"source", "ACME-VAC-1::SN0001"},
		{"reason", strings.Repeat("x", 65)},
		{"reason", ""},
	} {
		t.Run(tt.key+"="+tt.value, func(t *testing.T) {
			line := count(t, "press", 1, tt.key, tt.value, "outcome", "failed")
			if diff := cmp.Diff([]string{"function", "outcome"}, dimensionsOf(t, line)); diff != "" {
				t.Errorf("dimensions differ (-want +got):\n%s", diff)
			}
			if line[tt.key] != tt.value {
				t.Errorf("the line lost %s", tt.key)
			}
		})
	}
	var m metrics.Memory
	m.Count("press", 1, "thing", "ACME-VAC-1::SN0001")
	if diff := cmp.Diff([]metrics.Sample{{Name: "press", Value: 1}}, m.Snapshot()); diff != "" {
		t.Errorf("snapshot differs (-want +got):\n%s", diff)
	}
}

func TestOddInput(t *testing.T) {
	for name, line := range map[string]map[string]any{
		"no name": count(t, "", 1), "long name": count(t, strings.Repeat("n", 129), 1),
		"NaN": count(t, "x", math.NaN()), "infinite": count(t, "x", math.Inf(1)),
	} {
		if line != nil {
			t.Errorf("%s: wrote %v, want nothing", name, line)
		}
	}
	if got := dimensionsOf(t, count(t, "x", 1, "outcome")); len(got) != 1 {
		t.Errorf("a key without value became a dimension: %v", got)
	}
	line := count(t, "x", 1, "x", "y", "_aws", "z", "function", "w", "a", "1", "a", "2")
	if got := strings.Join(dimensionsOf(t, line), " "); got != "function a" {
		t.Errorf("dimensions = %s, want function and a", got)
	}
	if line["x"] != 1. {
		t.Errorf("a dimension took the place of the count: %v", line)
	}
	if _, ok := line["_aws"].(map[string]any); !ok {
		t.Errorf("a dimension took the place of the metadata: %v", line)
	}
	var many []string
	for i := range 40 {
		many = append(many, "k"+strconv.Itoa(i), "v")
	}
	if got := dimensionsOf(t, count(t, "x", 1, many...)); len(got) > 30 {
		t.Errorf("%d dimensions, CloudWatch takes 30", len(got))
	}
}

func TestMemory(t *testing.T) {
	var m metrics.Memory
	if got := m.Snapshot(); got == nil || len(got) != 0 {
		t.Errorf("empty snapshot = %#v, want an empty list", got)
	}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			m.Count("press", 1, "outcome", "ordered", "way", "mqtt")
			m.Count("press", 2, "way", "mqtt", "outcome", "ordered")
			m.Count("press", 1, "outcome", "failed")
		})
	}
	group.Wait()
	want := []metrics.Sample{
		{Name: "press", Dimensions: map[string]string{"outcome": "failed"}, Value: 10},
		{Name: "press", Dimensions: map[string]string{"outcome": "ordered", "way": "mqtt"}, Value: 30},
	}
	got := m.Snapshot()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot differs (-want +got):\n%s", diff)
	}
	got[0].Dimensions["outcome"] = "changed"
	if diff := cmp.Diff(want, m.Snapshot()); diff != "" {
		t.Errorf("a snapshot shares memory with the counts:\n%s", diff)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var m metrics.Memory
	for i := range 5000 {
		m.Count("n", 1, "k", strconv.Itoa(i))
	}
	if got := len(m.Snapshot()); got != 1000 {
		t.Errorf("%d series, want 1000 at most", got)
	}
	m.Count("n", 1, "k", "0")
	if got := m.Snapshot()[0]; got.Value != 2 {
		t.Errorf("a known series stopped counting: %+v", got)
	}
}
