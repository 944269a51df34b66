package functions_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/metrics"
)

type widget struct {
	Type          string
	X, Y          int
	Width, Height int
	Properties    struct {
		Title   string
		Alarms  []string
		Metrics [][]any
	}
}

func dashboard(t *testing.T, tpl object) []widget {
	t.Helper()
	body, _ := at(tpl, "Resources", "Dashboard", "Properties", "DashboardBody", "Fn::Sub").(string)
	var d struct{ Widgets []widget }
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	return d.Widgets
}

var search = regexp.MustCompile(`^SEARCH\('\{Restock,([\w,]+)\} MetricName="(\w+)"', 'Sum', 300\)$`)

// The dashboard shows what the alarms look at, and nothing that is never written.
func TestDashboard(t *testing.T) {
	tpl := template(t)
	listed, err := eventtest.Listed(operations)
	if err != nil {
		t.Fatal(err)
	}
	shown, alarms := map[string]bool{}, map[string]bool{}
	for _, w := range dashboard(t, tpl) {
		if w.X+w.Width > 24 || w.Width == 0 || w.Height == 0 {
			t.Errorf("%s does not fit: %+v", w.Properties.Title, w)
		}
		for _, arn := range w.Properties.Alarms {
			alarms[strings.TrimSuffix(strings.TrimPrefix(arn, "${"), ".Arn}")] = true
		}
		for _, m := range w.Properties.Metrics {
			namespace, name := shownMetric(t, tpl, w.Properties.Title, m, listed)
			shown[namespace+" "+name] = true
		}
	}
	for name, alarm := range resources(tpl, "AWS::CloudWatch::Alarm") {
		if conditional := at(tpl, "Resources", name, "Condition") != nil; alarms[name] == conditional {
			t.Errorf("%s: on the dashboard: %v, there under a condition: %v", name, alarms[name], conditional)
		}
		for _, m := range metricsOf(t, alarm) {
			key := m.namespace + " " + m.name
			if hidden := []string{"AWS/Lambda DestinationDeliveryFailures", "AWS/SNS NumberOfNotificationsFailedToRedriveToDlq"}; !shown[key] && !slices.Contains(hidden, key) {
				if m.namespace == metrics.Namespace && m.name == "RefreshShards" {
					continue // says whether there was a run, not how it went
				}
				t.Errorf("%s looks at %s, which the dashboard does not show", name, key)
			}
		}
	}
}

// shownMetric checks one line of a widget, and returns what it shows.
func shownMetric(t *testing.T, tpl object, title string, line []any, listed []eventtest.Listing) (namespace, name string) {
	t.Helper()
	if options, ok := line[0].(map[string]any); ok {
		m := search.FindStringSubmatch(options["expression"].(string))
		if m == nil {
			t.Fatalf("%s searches in another way: %v", title, options)
		}
		keys := strings.Split(m[1], ",")
		found := slices.ContainsFunc(listed, func(l eventtest.Listing) bool {
			for _, key := range keys {
				if key != "function" && l.Values[key] == nil {
					return false
				}
			}
			return l.Name == m[2] && len(keys) == 1+len(l.Values)
		})
		if !found {
			t.Errorf("%s searches for %s by %v, which %s does not list", title, m[2], keys, operations)
		}
		return metrics.Namespace, m[2]
	}
	namespace, name = line[0].(string), line[1].(string)
	dimensions := map[string]any{}
	for i := 2; i+1 < len(line); i += 2 {
		dimensions[line[i].(string)] = line[i+1]
		if text := line[i+1].(string); strings.HasPrefix(text, "${") {
			dimensions[line[i].(string)] = object{"Fn::Sub": text}
		}
	}
	if namespace != metrics.Namespace || len(dimensions) == 0 {
		checkMetric(t, tpl, title, watched{namespace: namespace, name: name, dimensions: dimensions}, listed)
	} else if !slices.ContainsFunc(listed, func(l eventtest.Listing) bool {
		return l.Has(eventtest.Series{Name: name, Unit: l.Unit, Dimensions: texts(dimensions)})
	}) {
		t.Errorf("%s shows %s by %v, which %s does not list", title, name, dimensions, operations)
	}
	return namespace, name
}
