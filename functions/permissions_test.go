package functions_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/web"
)

// statement is one of a policy.
type statement struct {
	actions   []string
	resources []any
}

func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// statements returns what a role may do. A statement under a condition counts.
func statements(t *testing.T, role object) []statement {
	t.Helper()
	if role["ManagedPolicyArns"] != nil {
		t.Error("a managed policy allows more than a function needs")
	}
	var all []statement
	for _, p := range list(role["Policies"]) {
		for _, s := range list(at(p, "PolicyDocument", "Statement")) {
			if conditional, ok := at(s, "Fn::If").([]any); ok {
				s = conditional[1]
			}
			var found statement
			for _, a := range list(at(s, "Action")) {
				found.actions = append(found.actions, a.(string))
			}
			found.resources = list(at(s, "Resource"))
			all = append(all, found)
		}
	}
	return all
}

// down matches the topics of an event of all things, which can't be named one by one.
var down = regexp.MustCompile(`:topic/dash/v1/down/\*/[a-z]+$`)

func TestPoliciesNameTheirResources(t *testing.T) {
	for name, role := range resources(template(t), "AWS::IAM::Role") {
		for _, s := range statements(t, role) {
			for _, a := range s.actions {
				if strings.Contains(a, "*") {
					t.Errorf("%s allows %s", name, a)
				}
			}
			for _, r := range s.resources {
				text, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				sub, _ := at(r, "Fn::Sub").(string)
				if r == nil || strings.Contains(string(text), "*") && !down.MatchString(sub) {
					t.Errorf("%s allows %v on %s", name, s.actions, text)
				}
			}
		}
	}
}

// What each function may do is held against what it does, in its own folder.
func TestEachFunctionHoldsItsPermissions(t *testing.T) {
	for name, f := range resources(template(t), "AWS::Serverless::Function") {
		if got, want := at(f, "Role", "Fn::GetAtt"), strings.TrimSuffix(name, "Function")+"Role.Arn"; got != want {
			t.Errorf("%s has the role %v, want its own, %s", name, got, want)
		}
		text, err := os.ReadFile(filepath.Join(strings.TrimPrefix(f["CodeUri"].(string), "functions/"), "main_test.go"))
		if err != nil || !strings.Contains(string(text), `eventtest.Permissions(t, "`+name+`"`) {
			t.Errorf("%s is without eventtest.Permissions (%v)", name, err)
		}
	}
}

// AWS IoT takes a policy of 2048 bytes. It is measured with the longest names there are.
func TestDevicePolicy(t *testing.T) {
	names := strings.NewReplacer("${AWS::Partition}", "aws-us-gov", "${AWS::Region}", "ap-southeast-2", "${AWS::AccountId}", "123456789012",
		"${RuleName}", strings.Repeat("r", 64), "${!", "${")
	for name, p := range resources(template(t), "AWS::IoT::Policy") {
		document := at(p, "PolicyDocument").(object)
		for _, s := range document["Statement"].([]any) {
			for _, r := range list(at(s, "Resource")) {
				if arn, _ := at(r, "Fn::Sub").(string); !strings.Contains(arn, "${!iot:Connection.Thing.ThingName}") {
					t.Errorf("%s: %v on %v is for any thing", name, at(s, "Action"), r)
				}
			}
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(names.Replace(strings.ReplaceAll(string(text), `{"Fn::Sub":`, ""))); n > 2048 {
			t.Errorf("%s has %d bytes, AWS IoT takes 2048", name, n)
		}
	}
}

// served returns the routes that a handler adds.
func served(h interface{ Routes(m *web.Mux) }) []string {
	m := new(web.Mux)
	h.Routes(m)
	return m.Patterns()
}

// API Gateway brings each route to the function that serves it.
func TestRoutes(t *testing.T) {
	functions := map[string][]string{"Callback": served(new(callback.Handler)), "Replenish": served(new(replenish.Handler))}
	to := map[string]string{} // by route key
	for name, r := range resources(template(t), "AWS::ApiGatewayV2::Route") {
		target, _ := at(r, "Target", "Fn::Sub").(string)
		function := strings.TrimSuffix(strings.TrimPrefix(target, "integrations/${"), "Integration}")
		if functions[function] == nil {
			t.Errorf("%s leads to %q", name, target)
		}
		to[r["RouteKey"].(string)] = function
	}
	used := map[string]bool{"$default": true}
	for function, patterns := range functions {
		for _, p := range patterns {
			method, path, _ := strings.Cut(strings.TrimSuffix(p, "{$}"), " ")
			key := "$default"
			for _, k := range []string{method + " " + path, "ANY " + path} { // the order in which API Gateway looks
				if to[k] != "" {
					key = k
					break
				}
			}
			used[key] = true
			if to[key] != function || key == "$default" {
				t.Errorf("%s goes by %s to %s, want a route to %s", p, key, to[key], function)
			}
		}
	}
	for key := range to {
		if !used[key] {
			t.Errorf("the route %s leads to nothing", key)
		}
	}
	if to["$default"] != "Callback" {
		t.Errorf("what is not listed goes to %q, want the callback function", to["$default"])
	}
	for name, i := range resources(template(t), "AWS::ApiGatewayV2::Integration") {
		if i["PayloadFormatVersion"] != "2.0" {
			t.Errorf("%s: payload format %v, want 2.0", name, i["PayloadFormatVersion"])
		}
	}
}
