//go:build sam

package samtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/permissions"
	"github.com/restock-dev/restock/samtest/stack"
)

// What moto does not make is held against each other here: whoever is to invoke a
// function names one that exists, and may.
func TestWiring(t *testing.T) {
	s, err := host.Deploy(t.Context(), "wiring", map[string]string{"EventBus": "fleet"})
	if err != nil {
		t.Fatal(err)
	}
	w := &wiring{t, s}
	t.Run("every resource resolves", w.all)
	t.Run("API", w.api)
	t.Run("rule", w.rule)
	t.Run("schedule", w.schedule)
	t.Run("topic", w.topic)
	t.Run("queues", w.queues)
	t.Run("redirect URL", w.redirectURL)
}

type wiring struct {
	t *testing.T
	s *stack.Stack
}

type object = map[string]any

// each calls f for the resources of a type, with their properties resolved. There must be
// some.
func (w *wiring) each(t *testing.T, kind string, f func(name string, p object)) {
	t.Helper()
	names := w.s.Resolver.Template.OfType(kind)
	for _, name := range names {
		resource := w.s.Resolver.Template.Resources[name]
		if met, err := w.s.Resolver.Condition(resource.Condition); err != nil || !met {
			continue // as TestWiring's first part says of an error
		}
		resolved, err := w.s.Resolver.Resolve(resource.Properties)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f(name, resolved.(object))
	}
	if len(names) == 0 {
		t.Errorf("there is no %s", kind)
	}
}

func (w *wiring) all(t *testing.T) {
	for name, resource := range w.s.Resolver.Template.Resources {
		if _, err := w.s.Resolver.Condition(resource.Condition); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.s.Resolver.Resolve(resource.Properties); err != nil && resource.Condition == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, output := range w.s.Resolver.Template.Outputs {
		if met, err := w.s.Resolver.Condition(output.Condition); err != nil || !met {
			continue
		}
		if _, err := w.s.Resolver.Resolve(output.Value); err != nil {
			t.Errorf("output %s: %v", name, err)
		}
	}
}

// function returns the logical name of a function that exists.
func (w *wiring) function(t *testing.T, of string, id any) string {
	t.Helper()
	name := w.s.Function(fmt.Sprint(id))
	if name == "" {
		t.Errorf("%s invokes %v, which is no function", of, id)
	}
	return name
}

func (w *wiring) api(t *testing.T) {
	integrations := map[string]any{}
	w.each(t, "AWS::ApiGatewayV2::Integration", func(name string, p object) {
		integrations["integrations/"+w.s.Ref(name)] = p["IntegrationUri"]
		if p["PayloadFormatVersion"] != "2.0" {
			t.Errorf("%s has payload format %v, and the functions take 2.0", name, p["PayloadFormatVersion"])
		}
	})
	var api string
	w.each(t, "AWS::ApiGatewayV2::Api", func(name string, _ object) { api = w.s.Ref(name) })
	w.each(t, "AWS::ApiGatewayV2::Route", func(name string, p object) {
		uri := integrations[fmt.Sprint(p["Target"])]
		if uri == nil || p["ApiId"] != api {
			t.Errorf("%s leads to %v of %v, which is not there", name, p["Target"], p["ApiId"])
			return
		}
		if w.function(t, name, uri) != "" {
			w.permitted(t, uri, "apigateway.amazonaws.com", "arn:aws:execute-api:us-east-1:123456789012:"+api+"/$default/GET/callback")
		}
	})
}

func (w *wiring) rule(t *testing.T) {
	w.each(t, "AWS::IoT::TopicRule", func(name string, p object) {
		payload := p["TopicRulePayload"].(object)
		for _, action := range payload["Actions"].([]any) {
			target := action.(object)["Lambda"].(object)["FunctionArn"]
			if w.function(t, name, target) != "" {
				w.permitted(t, target, "iot.amazonaws.com", w.s.ARN(name))
			}
		}
		failed := payload["ErrorAction"].(object)["Sqs"].(object)
		if failed["QueueUrl"] != w.s.Environ["ReplenishFunction"]["RESTOCK_RETRY_QUEUE_URL"] {
			t.Errorf("%s sends what fails to %v, which is not the retry queue", name, failed["QueueUrl"])
		}
		w.only(t, failed["RoleArn"], permissions.Call{Action: "sqs:SendMessage", Resource: w.s.ARN("RetryQueue")})
	})
}

func (w *wiring) schedule(t *testing.T) {
	w.each(t, "AWS::Scheduler::Schedule", func(name string, p object) {
		target := p["Target"].(object)
		given, _ := target["DeadLetterConfig"].(object) // nil has no members
		if w.function(t, name, target["Arn"]) == "" || given["Arn"] != w.s.ARN("RefreshDlq") {
			t.Errorf("%s gives runs up into %v, want the dead letters of the refresh", name, given["Arn"])
		}
		w.only(t, target["RoleArn"],
			permissions.Call{Action: "lambda:InvokeFunction", Resource: fmt.Sprint(target["Arn"])},
			permissions.Call{Action: "sqs:SendMessage", Resource: w.s.ARN("RefreshDlq")},
		)
		if qualifier(target["Arn"]) != "live" {
			t.Errorf("%s invokes %v, want the alias", name, target["Arn"])
		}
	})
}

func (w *wiring) topic(t *testing.T) {
	w.each(t, "AWS::SNS::Subscription", func(name string, p object) {
		if p["Protocol"] != "lambda" {
			return
		}
		if w.function(t, name, p["Endpoint"]) != "" {
			w.permitted(t, p["Endpoint"], "sns.amazonaws.com", fmt.Sprint(p["TopicArn"]))
		}
	})
}

func (w *wiring) queues(t *testing.T) {
	w.each(t, "AWS::Lambda::EventSourceMapping", func(name string, p object) {
		function := w.function(t, name, p["FunctionName"])
		if function == "" {
			return
		}
		role, err := w.s.Resolver.Resolve(w.s.Resolver.Template.Resources[function].Properties["Role"])
		if err != nil {
			t.Fatal(err)
		}
		queue := fmt.Sprint(p["EventSourceArn"])
		for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
			w.allowed(t, role, action, queue)
		}
		w.redrives(t, queue, w.s.Resolver.Template.Resources[function].Properties["Timeout"])
		if !strings.Contains(fmt.Sprint(p["FunctionResponseTypes"]), "ReportBatchItemFailures") {
			t.Errorf("%s has a whole batch come again for one message", name)
		}
	})
	w.each(t, "AWS::Lambda::EventInvokeConfig", func(name string, p object) {
		destinations, _ := p["DestinationConfig"].(object) // nil has no members
		failed, ok := destinations["OnFailure"].(object)
		if !ok {
			return
		}
		function := w.function(t, name, p["FunctionName"])
		role, err := w.s.Resolver.Resolve(w.s.Resolver.Template.Resources[function].Properties["Role"])
		if err != nil {
			t.Fatal(err)
		}
		w.allowed(t, role, "sqs:SendMessage", fmt.Sprint(failed["Destination"]))
	})
}

// Without one of its own, the callback page is at the API's address, as the outputs say.
func (w *wiring) redirectURL(t *testing.T) {
	got := w.s.Environ["CallbackFunction"]["RESTOCK_REDIRECT_URL"]
	want := "https://" + w.s.Ref("Api") + ".execute-api.us-east-1.amazonaws.com/callback"
	output, err := w.s.Resolver.Resolve(w.s.Resolver.Template.Outputs["CallbackUrl"].Value)
	if got != want || output != want || err != nil {
		t.Errorf("redirect URL = %s, and the output %v, %v; want %s", got, output, err, want)
	}
}
