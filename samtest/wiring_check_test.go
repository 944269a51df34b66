//go:build sam

package samtest_test

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/permissions"
)

// permitted checks that a principal may invoke a function on behalf of a source.
func (w *wiring) permitted(t *testing.T, id any, principal, source string) {
	t.Helper()
	function := w.s.Function(fmt.Sprint(id))
	found := false
	w.each(t, "AWS::Lambda::Permission", func(name string, p object) {
		if p["Principal"] != principal || w.s.Function(fmt.Sprint(p["FunctionName"])) != function {
			return
		}
		pattern, _ := p["SourceArn"].(string)
		switch {
		case pattern == "":
			t.Errorf("%s lets any %s invoke %s", name, principal, function)
		case qualifier(id) != qualifier(p["FunctionName"]):
			t.Errorf("%s is for %v, while %v is invoked", name, p["FunctionName"], id)
		case matches(pattern, source):
			found = true
		}
	})
	if !found {
		t.Errorf("%s may not invoke %s for %s", principal, function, source)
	}
}

// qualifier returns the alias or version in the ARN of a function, "" for none.
func qualifier(id any) string {
	if parts := strings.Split(fmt.Sprint(id), ":"); len(parts) == 8 {
		return parts[7]
	}
	return ""
}

// matches compares with a pattern in which a * is anything.
func matches(pattern, text string) bool {
	// path.Match stops at a slash, and an ARN has no meaning for it.
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "|") }
	ok, err := path.Match(flat(pattern), flat(text))
	return ok && err == nil
}

// allowed checks that a role of the template may do something.
func (w *wiring) allowed(t *testing.T, role any, action, resource string) {
	t.Helper()
	call := permissions.Call{Action: action, Resource: resource}
	for _, fault := range permissions.Denied(rolesGrants(t, w.s, role), []permissions.Call{call}) {
		t.Errorf("%v: %s", role, fault)
	}
}

// only checks that a role of the template may do these things, and nothing else.
func (w *wiring) only(t *testing.T, role any, calls ...permissions.Call) {
	t.Helper()
	for _, fault := range permissions.Check(rolesGrants(t, w.s, role), calls) {
		t.Errorf("%v: %s", role, fault)
	}
}

// redrives checks a queue as moto has made it: a message that its function is still busy with
// does not come again, and one that fails for good ends in a queue of the stack.
func (w *wiring) redrives(t *testing.T, arn string, timeout any) {
	t.Helper()
	arns := map[string]string{}
	for _, name := range w.s.Resolver.Template.OfType("AWS::SQS::Queue") {
		arns[w.s.ARN(name)] = w.s.Ref(name)
	}
	url := arns[arn]
	out, err := w.s.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	visible, err := strconv.ParseFloat(out.Attributes["VisibilityTimeout"], 64)
	seconds, ok := timeout.(float64)
	if err != nil || !ok || visible < 6*seconds {
		t.Errorf("%s hides a message for %s s, want six times the %v s of its function", arn, out.Attributes["VisibilityTimeout"], timeout)
	}
	var policy struct {
		DeadLetterTargetArn string
		MaxReceiveCount     int
	}
	if err := json.Unmarshal([]byte(out.Attributes["RedrivePolicy"]), &policy); err != nil {
		t.Errorf("%s has redrive policy %q: %v", arn, out.Attributes["RedrivePolicy"], err)
	}
	if arns[policy.DeadLetterTargetArn] == "" || policy.DeadLetterTargetArn == arn || policy.MaxReceiveCount < 2 {
		t.Errorf("%s gives messages up into %q after %d tries, want a queue of the stack", arn, policy.DeadLetterTargetArn, policy.MaxReceiveCount)
	}
}
