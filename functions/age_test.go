package functions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/store"
)

// A press is ordered for as long as Lambda and its queue try it, and never so late that what
// has come of it is forgotten: its dead letter may be put back after two weeks.
func TestAgeOfAPress(t *testing.T) {
	if replenish.MaxAge > store.MessageTTL/2 {
		t.Errorf("a press of %v is ordered, and a message forgotten after %v", replenish.MaxAge, store.MessageTTL)
	}
	tpl := template(t)
	seconds := func(v any) time.Duration {
		n, ok := v.(int)
		if !ok || n <= 0 {
			t.Fatalf("the template has %v, want seconds", v)
		}
		return time.Duration(n) * time.Second
	}
	f := resources(tpl, "AWS::Serverless::Function")["ReplenishFunction"]
	tried := seconds(at(f, "EventInvokeConfig", "MaximumEventAgeInSeconds"))
	for _, e := range at(f, "Events").(object) {
		if at(e, "Type") != "SQS" {
			continue
		}
		name := strings.TrimSuffix(at(e, "Properties", "Queue", "Fn::GetAtt").(string), ".Arn")
		queue := resources(tpl, "AWS::SQS::Queue")[name]
		tries := at(queue, "RedrivePolicy", "maxReceiveCount")
		if tries != backoff.Tries {
			t.Errorf("%s gives up after %v tries, want those of package backoff: %d", name, tries, backoff.Tries)
		}
		tried += max(seconds(queue["VisibilityTimeout"]), backoff.Longest) * backoff.Tries
	}
	if tried >= replenish.MaxAge {
		t.Errorf("a press is tried for %v, and not ordered any more after %v", tried, replenish.MaxAge)
	}
}
