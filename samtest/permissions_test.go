//go:build sam

package samtest_test

import (
	"slices"
	"testing"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/permissions"
	"github.com/restock-dev/restock/samtest/stack"
)

// allowed holds what was called of AWS against the roles of functions: each call must be one
// that some of them allows.
func (w *world) allowed(t *testing.T, made []awsproxy.Call, functions ...string) {
	t.Helper()
	var grants []permissions.Grant
	for _, f := range functions {
		role, err := w.Resolver.Resolve(w.Resolver.Template.Resources[f].Properties["Role"])
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, rolesGrants(t, w.Stack, role)...)
	}
	var calls []permissions.Call
	for _, c := range made {
		calls = append(calls, permissions.Call{Action: c.Action, Resource: c.Resource})
	}
	for _, fault := range permissions.Denied(grants, calls) {
		t.Errorf("to %v: %s", functions, fault)
	}
}

// rolesGrants returns what a role of the template allows, by its ARN.
func rolesGrants(t *testing.T, s *stack.Stack, arn any) []permissions.Grant {
	t.Helper()
	roles := s.Resolver.Template.OfType("AWS::IAM::Role")
	i := slices.IndexFunc(roles, func(name string) bool { return s.ARN(name) == arn })
	if i < 0 {
		t.Fatalf("the stack has no role %v", arn)
	}
	p := s.Resolver.Template.Resources[roles[i]].Properties
	policies, err := s.Resolver.Resolve(p["Policies"])
	if err != nil {
		t.Fatal(err)
	}
	if p["ManagedPolicyArns"] != nil {
		t.Errorf("%s has managed policies, which allow more than it needs", roles[i])
	}
	grants, err := permissions.Policies(policies)
	if err != nil {
		t.Fatalf("%s: %v", roles[i], err)
	}
	return grants
}
