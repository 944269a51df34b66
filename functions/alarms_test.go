package functions_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/metrics"
)

const operations = "../docs/operations.md"

// watched is a metric that an alarm or the dashboard looks at.
type watched struct {
	namespace, name, stat string
	dimensions            map[string]any // texts, or references to resources
}

func metricOf(t *testing.T, m any) watched {
	t.Helper()
	w := watched{dimensions: map[string]any{}}
	w.namespace, _ = at(m, "Namespace").(string)
	w.name, _ = at(m, "MetricName").(string)
	listed, _ := at(m, "Dimensions").([]any)
	for _, d := range listed {
		w.dimensions[at(d, "Name").(string)] = at(d, "Value")
	}
	return w
}

// metricsOf returns what an alarm looks at: one metric, or those of its expression.
func metricsOf(t *testing.T, alarm object) []watched {
	t.Helper()
	queries, _ := alarm["Metrics"].([]any)
	if queries == nil {
		w := metricOf(t, alarm)
		w.stat, _ = alarm["Statistic"].(string)
		return []watched{w}
	}
	var all []watched
	for _, q := range queries {
		if stat := at(q, "MetricStat"); stat != nil {
			w := metricOf(t, at(stat, "Metric"))
			w.stat, _ = at(stat, "Stat").(string)
			all = append(all, w)
		}
	}
	return all
}

// Of AWS's own metrics: the dimensions under which they are written, and the type of resource
// that the first one names.
//
// Sources: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
// …/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html,
// …/amazondynamodb/latest/developerguide/metrics-dimensions.html, …/iot/latest/developerguide/metrics_dimensions.html,
// …/apigateway/latest/developerguide/http-api-metrics.html, …/sns/latest/dg/sns-monitoring-using-cloudwatch.html
var ofAWS = map[string]struct {
	names      []string
	dimensions [][]string
	kind       string
}{
	"AWS/Lambda": {
		[]string{"Invocations", "Errors", "Throttles", "Duration", "DestinationDeliveryFailures"},
		[][]string{{"FunctionName"}, {"ExecutedVersion", "FunctionName", "Resource"}},
		"AWS::Serverless::Function",
	},
	"AWS/SQS": {
		[]string{"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"},
		[][]string{{"QueueName"}},
		"AWS::SQS::Queue",
	},
	"AWS/DynamoDB": {
		[]string{"ReadThrottleEvents", "WriteThrottleEvents", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
		[][]string{{"TableName"}, {"GlobalSecondaryIndexName", "TableName"}},
		"AWS::DynamoDB::Table",
	},
	"AWS/IoT": {
		[]string{"Success", "Failure", "ErrorActionFailure", "RuleMessageThrottled", "RuleNotFound", "ParseError"},
		[][]string{{"ActionType", "RuleName"}, {"RuleName"}},
		"AWS::IoT::TopicRule",
	},
	"AWS/ApiGateway": {[]string{"Count", "4xx", "5xx", "Latency"}, [][]string{{"ApiId"}}, "AWS::ApiGatewayV2::Api"},
	"AWS/SNS":        {[]string{"NumberOfNotificationsFailedToRedriveToDlq"}, [][]string{{"TopicName"}}, "AWS::SNS::Topic"},
}

// Of a rule's metrics those of an action name it, and the others have no such dimension.
var ofRuleAlone = []string{"RuleMessageThrottled", "RuleNotFound", "ParseError"}

// checkMetric reports a metric that nobody writes, or not under these dimensions.
func checkMetric(t *testing.T, tpl object, where string, w watched, listed []eventtest.Listing) {
	t.Helper()
	if known, ok := ofAWS[w.namespace]; ok {
		keys := slices.Sorted(maps.Keys(w.dimensions))
		if w.namespace == "AWS/IoT" && slices.Contains(ofRuleAlone, w.name) == (w.dimensions["ActionType"] != nil) {
			t.Errorf("%s looks at %s by %v, which AWS does not write", where, w.name, keys)
		}
		if !slices.Contains(known.names, w.name) || !slices.ContainsFunc(known.dimensions, func(d []string) bool { return slices.Equal(d, keys) }) {
			t.Errorf("%s looks at %s of %s by %v, which AWS does not write", where, w.name, w.namespace, keys)
		}
		for key, value := range w.dimensions {
			if r := referred(value); r != "" && !strings.HasPrefix(at(tpl, "Resources", r, "Type").(string), known.kind) {
				t.Errorf("%s: %s is %s, want a %s", where, key, r, known.kind)
			}
		}
		return
	}
	if w.namespace != metrics.Namespace {
		t.Errorf("%s looks at the namespace %q", where, w.namespace)
		return
	}
	for _, f := range resources(tpl, "AWS::Logs::MetricFilter") {
		for _, m := range list(f["MetricTransformations"]) {
			if at(m, "MetricName") == w.name && at(m, "MetricNamespace") == w.namespace && len(w.dimensions) == 0 {
				return
			}
		}
	}
	if !slices.ContainsFunc(listed, func(m eventtest.Listing) bool { return looksAt(w, m) }) {
		t.Errorf("%s looks at %s by %v as %s, which %s does not list like this, in bold", where, w.name, w.dimensions, w.stat, operations)
	}
}

// looksAt reports whether a listed metric is one that alarms look at, under w's dimensions
// and with a statistic that goes with its unit.
func looksAt(w watched, m eventtest.Listing) bool {
	stats := map[string][]string{"Count": {"Sum", "SampleCount"}, "Seconds": {"Maximum"}}[m.Unit]
	return m.Name == w.name && slices.Contains(stats, w.stat) &&
		slices.ContainsFunc(m.Alarmed(), func(d map[string]string) bool { return maps.Equal(d, texts(w.dimensions)) })
}

func texts(dimensions map[string]any) map[string]string {
	m := map[string]string{}
	for key, value := range dimensions {
		m[key], _ = value.(string)
	}
	return m
}

var reference = regexp.MustCompile(`\$\{(\w+)[.}]`)

// referred is the resource that a value refers to, "" for plain text.
func referred(value any) string {
	if name, ok := at(value, "Ref").(string); ok {
		return name
	}
	if path, ok := at(value, "Fn::GetAtt").(string); ok {
		name, _, _ := strings.Cut(path, ".")
		return name
	}
	text, _ := at(value, "Fn::Sub").(string)
	if m := reference.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// An alarm on a metric that nothing writes never goes off. What the functions write is listed
// in the document, against which their own tests hold what they write.
func TestAlarmsLookAtWhatIsWritten(t *testing.T) {
	tpl := template(t)
	listed, err := eventtest.Listed(operations)
	if err != nil {
		t.Fatal(err)
	}
	var all []watched
	for name, alarm := range resources(tpl, "AWS::CloudWatch::Alarm") {
		looked := metricsOf(t, alarm)
		for _, w := range looked {
			checkMetric(t, tpl, name, w, listed)
		}
		all = append(all, looked...)
	}
	for _, m := range listed { // what is in bold is what alarms look at
		for _, d := range m.Alarmed() {
			used := slices.ContainsFunc(all, func(w watched) bool { return looksAt(w, m) && maps.Equal(texts(w.dimensions), d) })
			if len(d) > 1 && !used {
				t.Errorf("%s has %s of %v in bold, and no alarm looks at it", operations, m.Name, d)
			}
		}
	}
}

// AWS IoT takes a message although its rule is throttled, missing or fails at it, and so lost.
func TestEveryLossIsAlarmed(t *testing.T) {
	var looked []string
	for _, w := range metricsOf(t, resources(template(t), "AWS::CloudWatch::Alarm")["MessagesLostAlarm"]) {
		looked = append(looked, w.name)
	}
	for _, name := range append([]string{"ErrorActionFailure", "DestinationDeliveryFailures", "NumberOfNotificationsFailedToRedriveToDlq"}, ofRuleAlone...) {
		if !slices.Contains(looked, name) {
			t.Errorf("MessagesLostAlarm looks at %v, want %s too", looked, name)
		}
	}
}

// AWS documents the dimension ActionType and none of its values. For SQS neither spelling is sure,
// and an alarm on the wrong one would be silent for ever.
func TestErrorActionIsSpelledBothWays(t *testing.T) {
	var spelled []string
	for _, w := range metricsOf(t, resources(template(t), "AWS::CloudWatch::Alarm")["MessagesLostAlarm"]) {
		if w.name == "ErrorActionFailure" {
			spelled = append(spelled, fmt.Sprint(w.dimensions["ActionType"]))
		}
	}
	slices.Sort(spelled)
	if diff := cmp.Diff([]string{"SQS", "Sqs"}, spelled); diff != "" {
		t.Errorf("MessagesLostAlarm looks at the error action as (-want +got):\n%s", diff)
	}
}

var identifier = regexp.MustCompile(`\b[a-z]\w*\b`)

// Each alarm tells the topic, says what no data means, and is computed from what it names.
func TestAlarms(t *testing.T) {
	topic := []any{object{"Fn::If": []any{"HasAlarmTopicArn", object{"Ref": "AlarmTopicArn"}, object{"Ref": "AlarmTopic"}}}}
	for name, alarm := range resources(template(t), "AWS::CloudWatch::Alarm") {
		if diff := cmp.Diff([]any{topic, topic}, []any{alarm["AlarmActions"], alarm["OKActions"]}); diff != "" {
			t.Errorf("%s tells others than the topic (-want +got):\n%s", name, diff)
		}
		if got := alarm["TreatMissingData"]; got != "notBreaching" && name != "RefreshStoppedAlarm" || got == nil {
			t.Errorf("%s: TreatMissingData = %v, want notBreaching", name, got)
		}
		if text, _ := alarm["AlarmDescription"].(string); !strings.HasSuffix(text, " See docs/operations.md, "+name+".") {
			t.Errorf("%s: the description does not lead to its section: %s", name, text)
		}
		queries, _ := alarm["Metrics"].([]any)
		var defined, used, returned []string
		for _, q := range queries {
			id := at(q, "Id").(string)
			defined = append(defined, id)
			if at(q, "ReturnData") != false {
				returned = append(returned, id)
			}
			expression, _ := at(q, "Expression").(string)
			used = append(used, identifier.FindAllString(expression, -1)...)
		}
		if queries != nil && len(returned) != 1 {
			t.Errorf("%s looks at %v, want one", name, returned)
		}
		used = append(used, returned...)
		slices.Sort(defined)
		slices.Sort(used)
		if diff := cmp.Diff(defined, slices.Compact(used)); diff != "" {
			t.Errorf("%s: what is defined differs from what is used (-defined +used):\n%s", name, diff)
		}
	}
}

// Whoever is called at night finds the alarm in the document, what to look at and what to do.
func TestEveryAlarmIsExplained(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		explained = append(explained, name)
		for _, part := range []string{"\n- Look at: ", "\n- Do: "} {
			if !strings.Contains(body, part) {
				t.Errorf("the section of %s has no %q", name, part)
			}
		}
	}
	slices.Sort(explained)
	alarms := slices.Sorted(maps.Keys(resources(template(t), "AWS::CloudWatch::Alarm")))
	if diff := cmp.Diff(alarms, explained); diff != "" {
		t.Errorf("sections differ from alarms (-alarms +sections):\n%s", diff)
	}
	_, table, _ := strings.Cut(string(text), "\n## What to get up for\n")
	table, _, _ = strings.Cut(table, "\n\nAll of them")
	var weighed []string
	for _, m := range regexp.MustCompile("`(\\w+Alarm)`").FindAllStringSubmatch(table, -1) {
		weighed = append(weighed, m[1])
	}
	slices.Sort(weighed)
	if diff := cmp.Diff(alarms, weighed); diff != "" {
		t.Errorf("the table of what to get up for differs from alarms (-alarms +table):\n%s", diff)
	}
}
