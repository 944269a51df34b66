package functions_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A caller of the function itself, and not of its alias, would get a new version at once, and
// none of the settings for asynchronous calls.
func TestEverybodyCallsTheAlias(t *testing.T) {
	tpl := template(t)
	if got := at(tpl, "Globals", "Function", "AutoPublishAlias"); got != "live" {
		t.Fatalf("alias = %v, want live", got)
	}
	check := func(name string, got any, want ...any) {
		t.Helper()
		if !slices.ContainsFunc(want, func(w any) bool { return cmp.Equal(w, got) }) {
			t.Errorf("%s calls %v, want one of %v", name, got, want)
		}
	}
	for _, function := range []string{"CallbackFunction", "ReplenishFunction"} {
		name := strings.TrimSuffix(function, "Function") + "Integration"
		i := resources(tpl, "AWS::ApiGatewayV2::Integration")[name]
		check(name, i["IntegrationUri"], object{"Fn::Sub": "${" + function + ".Arn}:live"})
		if got := at(tpl, "Resources", name, "DependsOn"); got != function+"Aliaslive" {
			t.Errorf("%s depends on %v: it is there before the alias", name, got)
		}
	}
	for name, p := range resources(tpl, "AWS::Lambda::Permission") {
		check(name, p["FunctionName"], object{"Ref": "CallbackFunction.Alias"}, object{"Ref": "ReplenishFunction.Alias"})
	}
	for name, r := range resources(tpl, "AWS::IoT::TopicRule") {
		for _, a := range list(at(r, "TopicRulePayload", "Actions")) {
			check(name, at(a, "Lambda", "FunctionArn"), object{"Ref": "ReplenishFunction.Alias"})
		}
	}
}

var parameter = regexp.MustCompile(`\$\{(\w+)\}`)

// parametersIn adds the parameters that a value is made of.
func parametersIn(v any, all, found map[string]bool) {
	switch v := v.(type) {
	case object:
		if name, ok := v["Ref"].(string); ok && all[name] {
			found[name] = true
		}
		for _, member := range v {
			parametersIn(member, all, found)
		}
	case []any:
		for _, member := range v {
			parametersIn(member, all, found)
		}
	case string:
		for _, m := range parameter.FindAllStringSubmatch(v, -1) {
			if all[m[1]] {
				found[m[1]] = true
			}
		}
	}
}

// A parameter that changes the environment makes a new version by changing the description of
// one; else the alias, and so every call, stays with the old environment.
func TestNewSettingsMakeANewVersion(t *testing.T) {
	tpl := template(t)
	all := map[string]bool{}
	for name := range tpl["Parameters"].(object) {
		all[name] = true
	}
	want := map[string]bool{"Revision": true}
	parametersIn(at(tpl, "Globals", "Function", "Environment"), all, want)
	parametersIn(at(tpl, "Globals", "Function", "Architectures"), all, want)
	if len(want) < 10 {
		t.Fatalf("the environment is made of %v alone", want)
	}
	for name, f := range resources(tpl, "AWS::Serverless::Function") {
		got := map[string]bool{}
		parametersIn(f["VersionDescription"], all, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: description of a version (-environment +description):\n%s", name, diff)
		}
		if choice := at(f["VersionDescription"], "Fn::If").([]any); choice[0] != "IsByRevision" || !strings.Contains(at(choice[2], "Fn::Sub").([]any)[0].(string), "${Revision}") {
			t.Errorf("%s: another Revision makes no new version: %v", name, choice)
		}
		// Lambda makes no version of a function that has not changed.
		if parts, _ := at(f, "Description", "Fn::Join").([]any); parts == nil || !strings.Contains(fmt.Sprint(parts), "map[Ref:Revision]") {
			t.Errorf("%s does not change with Revision: %v", name, f["Description"])
		}
		if f["AutoPublishAliasAllProperties"] != true {
			t.Errorf("%s: another template makes no new version", name)
		}
	}
}

// Gradual deployments are off unless asked for, and are rolled back by alarms that tell of the
// new version, and of what only customers notice.
func TestGradualDeployment(t *testing.T) {
	tpl := template(t)
	if got := at(tpl, "Parameters", "GradualDeployment", "Default"); got != "false" {
		t.Errorf("gradual deployment is %v by default, want false", got)
	}
	alarms := resources(tpl, "AWS::CloudWatch::Alarm")
	for name, f := range resources(tpl, "AWS::Serverless::Function") {
		p := f["DeploymentPreference"]
		if diff := cmp.Diff([]any{object{"Ref": "GradualDeployment"}, object{"Ref": "DeploymentType"}}, []any{at(p, "Enabled"), at(p, "Type")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		choice, _ := at(p, "Alarms", "Fn::If").([]any)
		if len(choice) != 3 || choice[0] != "IsGradual" {
			t.Errorf("%s: alarms = %v, want those of IsGradual", name, at(p, "Alarms"))
			continue
		}
		own := strings.TrimSuffix(name, "Function") + "VersionAlarm"
		if !slices.ContainsFunc(list(choice[1]), func(a any) bool { return at(a, "Ref") == own }) {
			t.Errorf("%s is not rolled back by %s", name, own)
		}
		for _, a := range list(choice[1]) {
			if alarms[at(a, "Ref").(string)] == nil {
				t.Errorf("%s is rolled back by %v, which is no alarm", name, a)
			}
		}
		dimensions := metricsOf(t, alarms[own])[0].dimensions
		want := map[string]any{
			"FunctionName": object{"Ref": name}, "Resource": object{"Fn::Sub": "${" + name + "}:live"},
			"ExecutedVersion": object{"Fn::GetAtt": name + ".Version.Version"},
		}
		if diff := cmp.Diff(want, dimensions); diff != "" {
			t.Errorf("%s looks at another version (-want +got):\n%s", own, diff)
		}
	}
}

// Each route has a throttle of its own, so that one can't starve another. One for a route that
// is not there yet can't be deployed.
func TestThrottles(t *testing.T) {
	tpl := template(t)
	routes := map[string]string{}
	for name, r := range resources(tpl, "AWS::ApiGatewayV2::Route") {
		if key := r["RouteKey"].(string); key != "$default" {
			routes[key] = name
		}
	}
	stage := resources(tpl, "AWS::ApiGatewayV2::Stage")["ApiStage"]
	settings := stage["RouteSettings"].(object)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(routes)), slices.Sorted(maps.Keys(settings))); diff != "" {
		t.Errorf("throttles differ from routes (-routes +throttles):\n%s", diff)
	}
	var waits []string
	for _, name := range list(at(tpl, "Resources", "ApiStage", "DependsOn")) {
		waits = append(waits, name.(string))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Values(routes)), slices.Sorted(slices.Values(waits))); diff != "" {
		t.Errorf("what the stage waits for differs from the routes (-routes +waits):\n%s", diff)
	}
	devices := at(settings, "ANY /v1/replenish", "ThrottlingRateLimit").(int)
	for key, s := range settings {
		rate, burst := at(s, "ThrottlingRateLimit").(int), at(s, "ThrottlingBurstLimit").(int)
		if rate <= 0 || burst < rate || rate > devices {
			t.Errorf("%s takes %d calls a second and %d at once; presses take %d", key, rate, burst, devices)
		}
	}
}

// The text of the LWA secret is JSON, whatever its parameters hold.
func TestParametersOfTheSecret(t *testing.T) {
	parameters := template(t)["Parameters"]
	for name, good := range map[string][]string{
		"LwaClientId":     {"fill-in-later", "amzn1.application-oa2-client.0123456789abcdef0123456789abcdef"},
		"LwaClientSecret": {"fill-in-later", "amzn1.oa2-cs.v1.0123456789abcdef", "a-secret_with/{all}+'kinds';of~signs"},
	} {
		pattern := regexp.MustCompile(at(parameters, name, "AllowedPattern").(string))
		for _, value := range good {
			if !pattern.MatchString(value) {
				t.Errorf("%s = %q is refused", name, value)
			}
		}
		for _, value := range []string{"", `a"b`, `a\b`, "a b", "a\nb", "a\x00b", "ä"} {
			if pattern.MatchString(value) {
				t.Errorf("%s = %q is taken, and breaks the secret", name, value)
			}
		}
		if text, _ := at(parameters, name, "ConstraintDescription").(string); text == "" {
			t.Errorf("%s: nobody is told what is wrong with a value", name)
		}
	}
}

// A pattern is for the whole value, and takes what the parameter has by default.
func TestPatterns(t *testing.T) {
	good := map[string]string{
		"DomainName": "pair.example.com", "CertificateArn": certificate, "HostedZoneId": "Z0123456789ABC",
		"AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:on-duty", "AlarmEmail": "ops@example.com", "Revision": "keys-2026-11",
		"KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0e1c2d3f-0000-4000-8000-000000000000", "EventBus": "default", "RuleName": "restock_2",
	}
	for name, p := range template(t)["Parameters"].(object) {
		text, _ := at(p, "AllowedPattern").(string)
		if text == "" {
			continue
		}
		pattern := regexp.MustCompile(text)
		if !strings.HasPrefix(text, "^") || !strings.HasSuffix(text, "$") || pattern.MatchString("\x00") {
			t.Errorf("%s: the pattern %s is not for the whole value", name, text)
		}
		values := []any{at(p, "Default")}
		if value, ok := good[name]; ok {
			values = append(values, value)
		}
		for _, value := range values {
			if !pattern.MatchString(value.(string)) {
				t.Errorf("%s = %q is refused by %s", name, value, text)
			}
		}
	}
}
