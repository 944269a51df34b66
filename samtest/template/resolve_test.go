package template_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/samtest/template"
)

const text = `{
	"Parameters": {"Name": {"Type": "String", "Default": ""}, "Days": {"Type": "Number", "Default": 30}, "Must": {"Type": "String"}},
	"Mappings": {"Sizes": {"small": {"memory": 128}}},
	"Conditions": {
		"Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
		"Both": {"Fn::And": [{"Condition": "Named"}, {"Fn::Equals": [{"Ref": "Days"}, "30"]}]},
		"Any": {"Fn::Or": [{"Condition": "Named"}, {"Fn::Equals": [1, 2]}]}
	},
	"Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}, "Queue": {"Type": "AWS::SQS::Queue"}}
}`

func resolver(t *testing.T, values map[string]string) *template.Resolver {
	t.Helper()
	parsed, err := template.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := parsed.Values(values)
	if err != nil {
		t.Fatal(err)
	}
	return &template.Resolver{
		Template: parsed, StackName: "restock", Values: resolved,
		Attributes: map[string]map[string]any{"Table": {"": "devices", "Arn": "arn:table"}},
	}
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", `{"a":[1,"b",null,true]}`, `{"a":[1,"b",null,true]}`},
		{"ref to a resource", `{"Ref":"Table"}`, `"devices"`},
		{"ref to a parameter", `{"Ref":"Days"}`, `30`},
		{"attribute", `{"Fn::GetAtt":["Table","Arn"]}`, `"arn:table"`},
		{"attribute with a dot", `{"Fn::GetAtt":"Table.Arn"}`, `"arn:table"`},
		{
			"sub", `{"Fn::Sub":"${Table.Arn}/index/${Table} of ${AWS::StackName} for ${Days} days, not ${!iot:Thing}"}`,
			`"arn:table/index/devices of restock for 30 days, not ${iot:Thing}"`,
		},
		{"sub with names", `{"Fn::Sub":["${a}-${Table}",{"a":{"Ref":"AWS::Region"}}]}`, `"us-east-1-devices"`},
		{"if not", `{"Fn::If":["Named",{"Ref":"Nobody"},"else"]}`, `"else"`},
		{"no value", `{"a":{"Ref":"AWS::NoValue"},"b":[1,{"Fn::If":["Both",2,{"Ref":"AWS::NoValue"}]}]}`, `{"b":[1]}`},
		{"condition of a policy", `{"Condition":{"Bool":{"a":{"Ref":"Days"}}}}`, `{"Condition":{"Bool":{"a":30}}}`},
		{"join", `{"Fn::Join":[":",["a",{"Ref":"AWS::Partition"},3]]}`, `"a:aws:3"`},
		{"split and select", `{"Fn::Select":["1",{"Fn::Split":["/","a/b/c"]}]}`, `"b"`},
		{"mapping", `{"Fn::FindInMap":["Sizes","small","memory"]}`, `128`},
		{"base64", `{"Fn::Base64":"a"}`, `"YQ=="`},
	} {
		var in, want any
		if json.Unmarshal([]byte(tt.in), &in) != nil || json.Unmarshal([]byte(tt.want), &want) != nil {
			t.Fatal(tt.name)
		}
		got, err := resolver(t, map[string]string{"Must": "x"}).Resolve(in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}

// What can't be resolved is named: a function must not start with half an environment.
func TestUnresolved(t *testing.T) {
	for in, names := range map[string]string{
		`{"Ref":"Nobody"}`:                       "Nobody",
		`{"a":{"b":{"Ref":"Queue"}}}`:            "Queue",
		`{"Fn::GetAtt":["Table","StreamArn"]}`:   "Table.StreamArn",
		`{"Fn::Sub":"https://${Queue.Arn}/"}`:    "Queue.Arn",
		`{"Fn::Sub":"https://${Nobody}/"}`:       "Nobody",
		`{"Fn::If":["Unknown",1,2]}`:             "Unknown",
		`{"Fn::ImportValue":["x"]}`:              "Fn::ImportValue",
		`{"Fn::FindInMap":["Sizes","big","x"]}`:  "Sizes",
		`{"Fn::Select":[3,["a"]]}`:               "Fn::Select",
		`[{"Fn::Join":["",[{"Ref":"Nobody"}]]}]`: "Nobody",
	} {
		var v any
		if err := json.Unmarshal([]byte(in), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := resolver(t, map[string]string{"Must": "x"}).Resolve(v); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("Resolve(%s) = %v, %v, want an error that names %s", in, got, err, names)
		}
	}
}

func TestConditions(t *testing.T) {
	for _, name := range []string{"", "Named", "Both", "Any"} {
		if met, err := resolver(t, map[string]string{"Must": "x", "Name": "n"}).Condition(name); err != nil || !met {
			t.Errorf("%q is met: %v, %v", name, met, err)
		}
	}
	for _, name := range []string{"Named", "Both", "Any"} {
		if met, err := resolver(t, map[string]string{"Must": "x"}).Condition(name); err != nil || met {
			t.Errorf("%q without a name is met: %v, %v", name, met, err)
		}
	}
}

func TestValues(t *testing.T) {
	parsed, err := template.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Values(nil); err == nil || !strings.Contains(err.Error(), "Must") {
		t.Errorf("a parameter without a value: %v", err)
	}
	if _, err := parsed.Values(map[string]string{"Must": "x", "Other": "y"}); err == nil || !strings.Contains(err.Error(), "Other") {
		t.Errorf("a value without a parameter: %v", err)
	}
}
