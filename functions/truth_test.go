package functions_test

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
)

var (
	selected = regexp.MustCompile(` AS (\w+)`)
	topic    = regexp.MustCompile(`topic\((\d)\) AS (\w+)`)
	from     = regexp.MustCompile(` FROM '([^']+)'$`)
)

// What the rule selects is what the functions, and the broker of restock up, know as a message
// of a device, from the topics that devices are told to use.
func TestRuleSelectsARuleEvent(t *testing.T) {
	var members, columns []string
	for f := range reflect.TypeFor[message.RuleEvent]().Fields() {
		members = append(members, f.Tag.Get("json"))
	}
	for _, m := range selected.FindAllStringSubmatch(message.RuleSQL, -1) {
		columns = append(columns, m[1])
	}
	if diff := cmp.Diff(members, columns); diff != "" {
		t.Errorf("columns of the rule (-members of RuleEvent +columns):\n%s", diff)
	}
	up := message.Up("the-thing", "the-action")
	parts := strings.Split(up, "/")
	want := map[string]string{"thing": "the-thing", "action": "the-action"}
	for _, m := range topic.FindAllStringSubmatch(message.RuleSQL, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > len(parts) || parts[n-1] != want[m[2]] {
			t.Errorf("topic(%s) of %s is taken for the %s", m[1], up, m[2])
		}
		parts[n-1] = "+"
	}
	if m := from.FindStringSubmatch(message.RuleSQL); m == nil || m[1] != strings.Join(parts, "/") {
		t.Errorf("the rule reads %v, devices write to %s", m, up)
	}
}

// matches reports whether a topic is one of those of a policy's pattern, whose * is any text.
func matches(pattern, topic string) bool {
	return regexp.MustCompile(`^` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `$`).MatchString(topic)
}

// A device may use its own topics, as message has them, and nobody else's.
func TestDevicePolicyNamesItsTopics(t *testing.T) {
	allowed := map[string][]string{}
	document := resources(template(t), "AWS::IoT::Policy")["DevicePolicy"]["PolicyDocument"]
	for _, s := range list(at(document, "Statement")) {
		for _, r := range list(at(s, "Resource")) {
			arn, _ := at(r, "Fn::Sub").(string)
			_, name, _ := strings.Cut(arn[strings.LastIndex(arn, "}:")+2:], "/")
			name = strings.ReplaceAll(name, "${!iot:Connection.Thing.ThingName}", "ACME::1")
			action := at(s, "Action").(string)
			allowed[action] = append(allowed[action], strings.ReplaceAll(name, "${RuleName}", "restock"))
		}
	}
	any := func(action, topic string) bool {
		for _, pattern := range allowed[action] {
			if matches(pattern, topic) {
				return true
			}
		}
		return false
	}
	for _, tt := range []struct {
		action, topic string
		want          bool
	}{
		{"iot:Connect", "ACME::1", true},
		{"iot:Connect", "ACME::2", false},
		{"iot:Publish", message.Up("ACME::1", message.ActionReplenish), true},
		{"iot:Publish", "$aws/rules/restock/" + message.Up("ACME::1", message.ActionReplenish), true},
		{"iot:Publish", message.Up("ACME::2", message.ActionReplenish), false},
		{"iot:Publish", message.Down("ACME::1", message.EventResult), false},
		{"iot:Subscribe", message.Down("ACME::1", message.EventResult), true},
		{"iot:Subscribe", message.Down("ACME::2", message.EventResult), false},
		{"iot:Receive", message.Down("ACME::1", message.EventRegistration), true},
		{"iot:Receive", message.Down("ACME::2", message.EventRegistration), false},
	} {
		if got := any(tt.action, tt.topic); got != tt.want {
			t.Errorf("%s of %s is allowed: %v, want %v", tt.action, tt.topic, got, tt.want)
		}
	}
}

// A message is kept for as long as it is tried, and as a dead letter for longer: there its age
// goes on from when it was first sent.
func TestRetention(t *testing.T) {
	queues := resources(template(t), "AWS::SQS::Queue")
	seconds := func(queue, name string) time.Duration {
		n, _ := queues[queue][name].(int)
		return time.Duration(n) * time.Second
	}
	for name, q := range queues {
		redrive := q["RedrivePolicy"]
		if redrive == nil {
			if got := seconds(name, "MessageRetentionPeriod"); got != 14*24*time.Hour {
				t.Errorf("dead letters in %s are kept for %v, want 14 days, the most there is", name, got)
			}
			continue
		}
		kept := seconds(name, "MessageRetentionPeriod")
		gap := seconds(name, "VisibilityTimeout")
		if name == "RetryQueue" {
			gap = max(gap, backoff.Longest)
		}
		if tried := gap * time.Duration(at(redrive, "maxReceiveCount").(int)); kept < tried {
			t.Errorf("%s keeps a message for %v, and tries it for up to %v: it vanishes before it is a dead letter", name, kept, tried)
		}
		dlq := strings.TrimSuffix(at(redrive, "deadLetterTargetArn", "Fn::GetAtt").(string), ".Arn")
		if queues[dlq] == nil || seconds(dlq, "MessageRetentionPeriod") < 2*kept {
			t.Errorf("the dead letters of %s are in %q, which keeps them for %v", name, dlq, seconds(dlq, "MessageRetentionPeriod"))
		}
	}
}
