//go:build sam

package samtest_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/metrics"
)

// alarm is one of template.yaml's, with all references resolved.
type alarm struct {
	ComparisonOperator string
	Threshold          float64
	Statistic          string // of the one metric
	metric
	Metrics []struct {
		ID         string `json:"Id"`
		Expression string
		MetricStat struct {
			Stat   string
			Metric metric
		}
	}
}

// metric is one as CloudWatch knows it.
type metric struct {
	Namespace, MetricName string
	Dimensions            []struct{ Name, Value string }
}

var (
	atLeast = regexp.MustCompile(`^IF\((\w+) >= `) // whose share of others then counts
	several = regexp.MustCompile(`^(?:SUM|MAX)\(\[(.*)\]\)$`)
)

// readings returns what an alarm looks at, and by which statistic; not what it only
// relates that to.
func (a *alarm) readings() (looked []metric, stat string) {
	if len(a.Metrics) == 0 {
		return []metric{a.metric}, a.Statistic
	}
	ids := []string{a.Metrics[0].ID} // which is what the alarm goes by, and the others are its parts
	for len(ids) > 0 {
		id := ids[0]
		ids = ids[1:]
		for _, m := range a.Metrics {
			switch {
			case m.ID != id:
			case m.Expression == "":
				looked, stat = append(looked, m.MetricStat.Metric), m.MetricStat.Stat
			case atLeast.MatchString(m.Expression):
				ids = append(ids, atLeast.FindStringSubmatch(m.Expression)[1])
			case several.MatchString(m.Expression):
				ids = append(ids, strings.Split(several.FindStringSubmatch(m.Expression)[1], ", ")...)
			}
		}
	}
	return looked, stat
}

// alarms returns those of the stack that go off by what happens, and not by what does not.
func (w *trouble) alarms() map[string]*alarm {
	w.Helper()
	all := map[string]*alarm{}
	for _, name := range w.Resolver.Template.OfType("AWS::CloudWatch::Alarm") {
		resource := w.Resolver.Template.Resources[name]
		met, err := w.Resolver.Condition(resource.Condition)
		w.must(err)
		if !met {
			continue
		}
		resolved, err := w.Resolver.Resolve(resource.Properties)
		w.must(err)
		text, err := json.Marshal(resolved)
		w.must(err)
		a := new(alarm)
		w.must(json.Unmarshal(text, a))
		if looked, _ := a.readings(); len(looked) == 0 {
			w.Errorf("%s looks at nothing that is understood here", name)
		}
		if strings.HasPrefix(a.ComparisonOperator, "GreaterThan") {
			all[name] = a
		}
	}
	return all
}

// rings reports whether what an alarm looks at moved: a count is above 0, or a maximum
// above the threshold. Counts have not long enough here to get there.
func (w *trouble) rings(a *alarm, since int) bool {
	looked, stat := a.readings()
	limit := 0.0
	if stat == "Maximum" {
		limit = a.Threshold
	}
	return slices.ContainsFunc(looked, func(m metric) bool { return w.highest(m, since) > limit })
}

// highest returns the highest value of a metric since a place in the log. What AWS itself
// measures is counted as AWS would.
func (w *trouble) highest(m metric, since int) (most float64) {
	w.Helper()
	of := func(dimension string) string {
		i := slices.IndexFunc(m.Dimensions, func(d struct{ Name, Value string }) bool { return d.Name == dimension })
		if i < 0 {
			return ""
		}
		return m.Dimensions[i].Value
	}
	switch m.Namespace + " " + m.MetricName {
	case "AWS/Lambda Errors":
		return float64(w.failures(w.Function(of("FunctionName")), ""))
	case "AWS/SQS ApproximateNumberOfMessagesVisible":
		return float64(w.deepest[of("QueueName")])
	case "AWS/DynamoDB ReadThrottleEvents", "AWS/DynamoDB WriteThrottleEvents":
		return w.throttledCalls(m.MetricName == "WriteThrottleEvents", of("GlobalSecondaryIndexName"))
	}
	if m.Namespace != metrics.Namespace {
		return 0 // of what is not run here
	}
	want := map[string]string{}
	for _, d := range m.Dimensions {
		want[d.Name] = d.Value
	}
	w.counted(since, func(line map[string]any) {
		if n, ok := line[m.MetricName].(float64); ok && fits(line, want) {
			most = max(most, n)
		}
	})
	return most
}

func (w *trouble) throttledCalls(writes bool, index string) float64 {
	w.Helper()
	calls, _, err := w.Proxy.Calls(w.Context())
	w.must(err)
	n := 0
	for _, c := range calls {
		_, of, _ := strings.Cut(c.Resource, "/index/")
		writing := !slices.Contains([]string{"GetItem", "Query"}, c.API)
		if c.Fault == awsproxy.Throttled && strings.HasPrefix(c.Action, "dynamodb:") && of == index && writing == writes {
			n++
		}
	}
	return float64(n)
}

// counted calls f for what the functions have counted since a place in the log, in the
// embedded metric format.
func (w *trouble) counted(since int, f func(line map[string]any)) {
	lines := bufio.NewScanner(strings.NewReader(w.server.Log()[since:]))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, text, found := strings.Cut(lines.Text(), "{")
		var line map[string]any
		if found && json.Unmarshal([]byte("{"+text), &line) == nil && line["_aws"] != nil {
			f(line)
		}
	}
	w.must(lines.Err())
}

// latest returns the last value of a metric since a place in the log, -1 for none.
func (w *trouble) latest(name string, since int) float64 {
	last := -1.0
	w.counted(since, func(line map[string]any) {
		if n, ok := line[name].(float64); ok {
			last = n
		}
	})
	return last
}

func fits(line map[string]any, dimensions map[string]string) bool {
	for name, value := range dimensions {
		if line[name] != value {
			return false
		}
	}
	return true
}

// wantAlarm checks that what an alarm of template.yaml looks at has moved; "": that of none.
func (w *trouble) wantAlarm(name string) {
	w.Helper()
	for _, queue := range []string{"RetryDlq", "NotifyDlq", "RefreshDlq"} {
		w.in(queue)
	}
	all := w.alarms()
	if name != "" {
		if a := all[name]; a == nil || !w.rings(a, w.logged) {
			w.Errorf("nothing that %s looks at has moved", name)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if w.rings(all[name], w.logged) {
			w.Errorf("what %s looks at has moved, while nothing is wrong", name)
		}
	}
}
