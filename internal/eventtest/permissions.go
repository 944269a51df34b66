package eventtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/permissions"
)

// Trouble is an event that happens once more, while calls of AWS fail.
type Trouble struct {
	Event  string
	Faults []awsproxy.Fault
}

// Permissions feeds every event of a function, and troubles, to it with the parts that it
// has on AWS, and holds what it calls there against what template.yaml allows it: nothing
// else, and nothing more, be it encrypted with a key of the account or not. function is its
// logical name.
func Permissions(t *testing.T, function string, parts PartsOf, build Build, troubles ...Trouble) {
	t.Helper()
	stack, err := deployed()
	if err != nil {
		t.Fatal(err)
	}
	cases, err := Cases(Dir, strings.ToLower(strings.TrimSuffix(function, "Function")))
	if err != nil {
		t.Fatal(err)
	}
	var calls []permissions.Call
	note := func(t *testing.T, w *onAWS) {
		t.Helper()
		made, lost := w.proxy.Calls()
		if lost > 0 {
			t.Errorf("%d calls are not recorded", lost)
		}
		for _, c := range made {
			resource := strings.Replace(c.Resource, "table/"+w.table, "table/"+stack.Attributes["DeviceTable"][""].(string), 1)
			calls = append(calls, permissions.Call{Action: c.Action, Resource: resource})
		}
	}
	byName := map[string]*Case{}
	for _, c := range cases {
		byName[c.Name] = c
		t.Run(c.Name, func(t *testing.T) {
			w := newOnAWS(t, stack, function, parts, build, c.Want.Env)
			c.Check(t, w)
			note(t, w)
		})
	}
	for i, trouble := range troubles {
		c := byName[trouble.Event]
		if c == nil {
			t.Fatalf("there is no event %s", trouble.Event)
		}
		t.Run(fmt.Sprintf("%s in trouble %d", c.Name, i), func(t *testing.T) {
			w := newOnAWS(t, stack, function, parts, build, c.Want.Env)
			for _, f := range trouble.Faults {
				if err := w.proxy.Script(f); err != nil {
					t.Fatal(err)
				}
			}
			c.happen(t, w)
			note(t, w)
		})
	}
	hold(t, stack, function, calls)
	const key = "arn:aws:kms:us-east-1:123456789012:key/0"
	if stack, err = deployed("KmsKeyArn", key); err != nil {
		t.Fatal(err)
	}
	hold(t, stack, function, calls)
}

// hold holds the calls against the role that the function has in a stack.
func hold(t *testing.T, stack *cfn.Stack, function string, calls []permissions.Call) {
	t.Helper()
	grants, byAWS, err := permissions.Function(stack, function)
	if err != nil {
		t.Fatal(err)
	}
	all := append(byAWS, calls...)
	ofKeys, err := permissions.Keys(stack, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range permissions.Check(grants, append(all, ofKeys...)) {
		t.Errorf("%s: %s", function, fault)
	}
}
