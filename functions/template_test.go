package functions_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/seal"
)

// object is a mapping of the template. An intrinsic, such as !Ref x, is {"Ref": "x"}.
type object = cfn.Object

// template reads template.yaml.
func template(t *testing.T) object {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read, err := cfn.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// at follows a path of names into v; nil where it leads nowhere.
func at(v any, path ...string) any { return cfn.At(v, path...) }

// resources returns the properties of all resources of a type, by name.
func resources(tpl object, kind string) map[string]object {
	found := map[string]object{}
	for name, r := range tpl["Resources"].(object) {
		if at(r, "Type") == kind {
			found[name], _ = at(r, "Properties").(object)
		}
	}
	return found
}

func TestRule(t *testing.T) {
	rules := resources(template(t), "AWS::IoT::TopicRule")
	if len(rules) != 1 {
		t.Fatalf("%d rules, want 1", len(rules))
	}
	for _, r := range rules {
		if got := at(r, "TopicRulePayload", "Sql"); got != message.RuleSQL {
			t.Errorf("SQL of the rule =\n%v\nwant\n%s", got, message.RuleSQL)
		}
		if got := at(r, "TopicRulePayload", "AwsIotSqlVersion"); got != "2016-03-23" {
			t.Errorf("SQL version = %v: encode() needs 2016-03-23", got)
		}
	}
	permissions := resources(template(t), "AWS::Lambda::Permission")
	if got := permissions["ReplenishRulePermission"]; got["SourceArn"] == nil || got["SourceAccount"] == nil {
		t.Error("anybody's rule may invoke the function: no SourceArn or SourceAccount")
	}
}

// Every function is built from its own folder, as `sam build` wants it: two that share
// one would be the same binary.
func TestFunctions(t *testing.T) {
	tpl := template(t)
	seen := map[string]bool{}
	for name, f := range resources(tpl, "AWS::Serverless::Function") {
		folder, _ := f["CodeUri"].(string)
		if _, err := os.Stat(filepath.Join("..", folder, "main.go")); err != nil || !strings.HasPrefix(folder, "functions/") || seen[folder] {
			t.Errorf("%s: CodeUri %q must be a folder of its own in functions/ (%v)", name, folder, err)
		}
		seen[folder] = true
		if got := at(tpl, "Resources", name, "Metadata", "BuildMethod"); got != "go1.x" {
			t.Errorf("%s: BuildMethod = %v, want go1.x", name, got)
		}
	}
	folders, err := filepath.Glob("*/main.go")
	if err != nil || len(folders) != len(seen) {
		t.Errorf("%d functions in the template, %d in functions/ (%v)", len(seen), len(folders), err)
	}
	global := at(tpl, "Globals", "Function").(object)
	if global["Handler"] != "bootstrap" || global["Runtime"] != "provided.al2023" {
		t.Errorf("handler %v on %v, want bootstrap on provided.al2023", global["Handler"], global["Runtime"])
	}
	if got := at(tpl, "Parameters", "Architecture", "Default"); got != "arm64" {
		t.Errorf("default architecture = %v, want arm64", got)
	}
}

// sam local takes the first API or function that it finds for the kind of all.
func TestAPIStandsBeforeFunctions(t *testing.T) {
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	api, function := strings.Index(string(text), "AWS::ApiGatewayV2::Api\n"), strings.Index(string(text), "AWS::Serverless::Function\n")
	if api < 0 || function < 0 || api > function {
		t.Errorf("the API is at byte %d, the first function at %d", api, function)
	}
}

// Of the configuration, restock up alone reads these.
var localVariables = []string{
	"RESTOCK_LWA_CLIENT_ID", "RESTOCK_LWA_CLIENT_SECRET", "RESTOCK_HTTP", "RESTOCK_MQTT", "RESTOCK_MQTT_TRUST_LOCAL", "RESTOCK_SANDBOX", "RESTOCK_DATA",
}

// A variable that is not declared is dropped by sam local without a word.
func TestEnvironment(t *testing.T) {
	want := []string{
		"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_IOT_DATA_PLANE", "AWS_ENDPOINT_URL_EVENTBRIDGE",
	}
	for _, name := range config.Variables() {
		if !slices.Contains(localVariables, name) {
			want = append(want, name)
		}
	}
	variables := at(template(t), "Globals", "Function", "Environment", "Variables").(object)
	var got []string
	for name, value := range variables {
		got = append(got, name)
		if strings.HasPrefix(name, "AWS_") && value != "" {
			t.Errorf("%s = %v, want an empty text", name, value)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables differ (-config +template):\n%s", diff)
	}
}

func TestScheduleAndQueues(t *testing.T) {
	tpl := template(t)
	functions := resources(tpl, "AWS::Serverless::Function")
	schedule := at(functions["RefreshFunction"], "Events", "EveryMinute", "Properties")
	if got := at(schedule, "Input"); got != refresh.Task {
		t.Errorf("the schedule sends %v, the function takes %s", got, refresh.Task)
	}
	if at(schedule, "OmitName") != true || at(schedule, "RetryPolicy") == nil || at(schedule, "DeadLetterConfig") == nil {
		t.Error("the schedule needs OmitName, a retry policy and a dead-letter queue")
	}
	queues := resources(tpl, "AWS::SQS::Queue")
	for name, f := range functions {
		sources, _ := f["Events"].(object)
		for _, e := range sources {
			if at(e, "Type") != "SQS" {
				continue
			}
			p := at(e, "Properties").(object)
			queue := strings.TrimSuffix(at(p, "Queue", "Fn::GetAtt").(string), ".Arn")
			visible, timeout := queues[queue]["VisibilityTimeout"].(int), f["Timeout"].(int)
			if visible < 6*timeout {
				t.Errorf("%s hides a message for %d s: less than six times the %d s of %s", queue, visible, timeout, name)
			}
			if queues[queue]["RedrivePolicy"] == nil {
				t.Errorf("%s has no dead letters", queue)
			}
			if diff := cmp.Diff([]any{"ReportBatchItemFailures"}, p["FunctionResponseTypes"]); diff != "" {
				t.Errorf("%s: without partial batches one bad message brings all back:\n%s", queue, diff)
			}
		}
	}
	if got := at(functions["ReplenishFunction"], "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination", "Fn::GetAtt"); got != "RetryQueue.Arn" {
		t.Errorf("a message that fails goes to %v, want the retry queue", got)
	}
	shards, err := strconv.Atoi(at(tpl, "Globals", "Function", "Environment", "Variables", "RESTOCK_SHARDS").(string))
	if c, parseErr := config.Parse(nil); err != nil || parseErr != nil || shards != c.Shards {
		t.Errorf("%d shards, want those of the configuration's default: an index that is split anew loses what is due", shards)
	}
}

// SNS does not repeat a call that it may not make: such a notification is kept, and only the topic may add to
// what is.
func TestUndeliveredNotificationsAreKept(t *testing.T) {
	tpl := template(t)
	queue := object{"Fn::GetAtt": "NotifyDlq.Arn"}
	policy := at(tpl, "Resources", "NotifyFunction", "Properties", "Events", "Notifications", "Properties", "RedrivePolicy")
	if diff := cmp.Diff(object{"deadLetterTargetArn": queue}, policy); diff != "" {
		t.Errorf("the subscription's redrive policy (-want +got):\n%s", diff)
	}
	want := []any{object{
		"Sid": "NotificationTopic", "Effect": "Allow", "Principal": object{"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource": queue, "Condition": object{"ArnEquals": object{"aws:SourceArn": object{"Ref": "NotificationTopic"}}},
	}}
	policies := resources(tpl, "AWS::SQS::QueuePolicy")
	if diff := cmp.Diff(want, at(policies["NotifyDlqPolicy"], "PolicyDocument", "Statement")); diff != "" || len(policies) != 1 {
		t.Errorf("%d queue policies; that of the notifications (-want +got):\n%s", len(policies), diff)
	}
}

// What CloudFormation writes into the secrets is what the functions read.
func TestSecrets(t *testing.T) {
	secrets := resources(template(t), "AWS::SecretsManager::Secret")
	generate := secrets["KeysSecret"]["GenerateSecretString"]
	// CloudFormation generates another value when any of this changes: every token that is stored would be lost.
	forever := object{"SecretStringTemplate": `{"primary":"k1"}`, "GenerateStringKey": "k1", "PasswordLength": 64, "ExcludePunctuation": true}
	if diff := cmp.Diff(forever, generate); diff != "" {
		t.Errorf("how the key ring is generated may never change (-want +got):\n%s", diff)
	}
	var ring map[string]string
	if err := json.Unmarshal([]byte(at(generate, "SecretStringTemplate").(string)), &ring); err != nil {
		t.Fatal(err)
	}
	ring[at(generate, "GenerateStringKey").(string)] = strings.Repeat("r", at(generate, "PasswordLength").(int))
	text, err := json.Marshal(ring)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Parse(text); err != nil {
		t.Errorf("the generated key ring is none: %v", err)
	}
	lwa := at(secrets["LwaSecret"], "SecretString", "Fn::Sub").(string)
	for _, name := range []string{"LwaClientId", "LwaClientSecret"} {
		if !strings.Contains(lwa, `"${`+name+`}"`) {
			t.Errorf("the LWA secret %s has no %s", lwa, name)
		}
	}
	if got := at(template(t), "Parameters", "LwaClientSecret", "NoEcho"); got != true {
		t.Error("the console would show the client secret: NoEcho is not set")
	}
}

// What can't be made again is kept when the stack is deleted.
func TestWhatIsKept(t *testing.T) {
	all := template(t)["Resources"].(object)
	for _, name := range []string{"DeviceTable", "LwaSecret", "KeysSecret"} {
		for _, policy := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
			if got := at(all[name], policy); got != "Retain" {
				t.Errorf("%s: %s = %v, want Retain", name, policy, got)
			}
		}
	}
	table := at(all["DeviceTable"], "Properties")
	if at(table, "BillingMode") != "PAY_PER_REQUEST" || at(table, "DeletionProtectionEnabled") != true ||
		at(table, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true || at(table, "SSESpecification", "SSEEnabled") != true {
		t.Errorf("the table must be on demand, protected, recoverable and encrypted: %v", table)
	}
}
