package fleet_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/fleet"
)

func template(t *testing.T) cfn.Object {
	t.Helper()
	text, err := os.ReadFile("../../provisioning/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := cfn.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// The template that AWS IoT gets is JSON, takes what a device sends, and leaves the name of
// the thing to the hook.
func TestTemplateBody(t *testing.T) {
	tpl := template(t)
	body, ok := cfn.At(tpl, "Resources", "Template", "Properties", "TemplateBody", "Fn::Sub").(string)
	if !ok {
		t.Fatal("the template has no body")
	}
	var got struct {
		Parameters map[string]struct{ Type string }
		Resources  map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	d := json.NewDecoder(strings.NewReader(strings.ReplaceAll(body, "${DevicePolicyName}", "the-policy")))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("the body is not JSON: %v", err)
	}
	for _, name := range []string{fleet.ParameterModel, fleet.ParameterSerial, fleet.ParameterThing, "AWS::IoT::Certificate::Id"} {
		if got.Parameters[name].Type != "String" {
			t.Errorf("the body takes no %s", name)
		}
	}
	if len(got.Parameters) != 4 || len(got.Resources) != 3 {
		t.Errorf("the body has %d parameters and %d resources", len(got.Parameters), len(got.Resources))
	}
	want := map[string]map[string]any{
		"AWS::IoT::Thing":       {"ThingName": map[string]any{"Ref": fleet.ParameterThing}},
		"AWS::IoT::Certificate": {"CertificateId": map[string]any{"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
		"AWS::IoT::Policy":      {"PolicyName": "the-policy"},
	}
	for name, r := range got.Resources {
		if diff := cmp.Diff(want[r.Type], r.Properties); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	hook := cfn.At(tpl, "Resources", "Template", "Properties", "PreProvisioningHook")
	if diff := cmp.Diff(cfn.Object{"PayloadVersion": "2020-04-01", "TargetArn": cfn.Object{"Fn::GetAtt": "HookFunction.Arn"}}, hook); diff != "" {
		t.Errorf("the hook (-want +got):\n%s", diff)
	}
}

// Whoever has the claim's key can connect as no thing, and reach no topic of ours.
func TestClaimPolicy(t *testing.T) {
	statements, _ := cfn.At(template(t), "Resources", "ClaimPolicy", "Properties", "PolicyDocument", "Statement").([]any)
	if len(statements) != 3 {
		t.Fatalf("the policy has %d statements", len(statements))
	}
	for _, s := range statements {
		resources, ok := cfn.At(s, "Resource").([]any)
		if !ok {
			resources = []any{cfn.At(s, "Resource")}
		}
		for _, r := range resources {
			text, _ := cfn.At(r, "Fn::Sub").(string)
			_, what, _ := strings.Cut(text, "${AWS::AccountId}:")
			switch {
			case what == "client/claim-*":
			case strings.HasPrefix(what, "topic/$aws/certificates/create"), strings.HasPrefix(what, "topicfilter/$aws/certificates/create"):
			case strings.HasPrefix(what, "topic/$aws/provisioning-templates/${TemplateName}/provision/"), strings.HasPrefix(what, "topicfilter/$aws/provisioning-templates/${TemplateName}/provision/"):
			default:
				t.Errorf("the claim may use %s", what)
			}
		}
	}
}
