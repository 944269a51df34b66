package functions_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/cfn"
)

func deployed(t *testing.T, parameters map[string]string) *cfn.Stack {
	t.Helper()
	stack, err := cfn.Deployed(parameters)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// resolve returns a value of the template as it is in a stack.
func resolve(t *testing.T, stack *cfn.Stack, v any) any {
	t.Helper()
	resolved, err := stack.Resolve(v)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// The domain is found over IPv4 and IPv6, and its zone is not given without it.
func TestDomainRecords(t *testing.T) {
	tpl := template(t)
	kinds := map[any]bool{}
	for name, r := range resources(tpl, "AWS::Route53::RecordSet") {
		kinds[r["Type"]] = at(tpl, "Resources", name, "Condition") == "HasHostedZone"
	}
	if !kinds["A"] || !kinds["AAAA"] {
		t.Errorf("records of the domain: %v, want A and AAAA, with a zone", kinds)
	}
	for _, c := range list(at(tpl, "Resources", "ApiDomain", "Properties", "DomainNameConfigurations")) {
		if at(c, "IpAddressType") != "dualstack" {
			t.Errorf("the domain is served over %v, want both kinds of addresses", at(c, "IpAddressType"))
		}
	}
	if at(tpl, "Rules", "ZoneHasDomain") == nil {
		t.Error("a zone without a domain would be passed over in silence")
	}
	for output, of := range map[string]string{"LwaSecretArn": "LwaSecret", "KeysSecretArn": "KeysSecret"} {
		if got := at(tpl, "Outputs", output, "Value", "Ref"); got != of {
			t.Errorf("output %s = %v, want %s", output, got, of)
		}
	}
}

const certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1a2b"

// What Amazon must know, what the functions send and where the pages are is the same place.
func TestAddresses(t *testing.T) {
	outputs := template(t)["Outputs"]
	for _, tt := range []struct {
		name           string
		parameters     map[string]string
		page, callback string
	}{
		{
			name: "none of its own",
			page: "https://Api.execute-api.us-east-1.amazonaws.com/", callback: "https://Api.execute-api.us-east-1.amazonaws.com/callback",
		},
		{
			name:       "a domain",
			parameters: map[string]string{"DomainName": "pair.example.com", "CertificateArn": certificate},
			page:       "https://pair.example.com/", callback: "https://pair.example.com/callback",
		},
		{
			name:       "a CDN before it",
			parameters: map[string]string{"DomainName": "pair.example.com", "CertificateArn": certificate, "RedirectUrl": "https://cdn.example.com/callback"},
			page:       "https://pair.example.com/", callback: "https://cdn.example.com/callback",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := deployed(t, tt.parameters)
			if got := resolve(t, stack, at(outputs, "PairingPage", "Value")); got != tt.page {
				t.Errorf("PairingPage = %v, want %s", got, tt.page)
			}
			if got := resolve(t, stack, at(outputs, "CallbackUrl", "Value")); got != tt.callback {
				t.Errorf("CallbackUrl = %v, want %s", got, tt.callback)
			}
			environ, err := stack.Environ("CallbackFunction")
			if err != nil {
				t.Fatal(err)
			}
			if got := environ["RESTOCK_REDIRECT_URL"]; got != tt.callback {
				t.Errorf("RESTOCK_REDIRECT_URL = %s, want %s", got, tt.callback)
			}
		})
	}
	for condition, parameters := range map[string]map[string]string{
		"HasDomain":     {"DomainName": "pair.example.com", "CertificateArn": certificate},
		"HasHostedZone": {"DomainName": "pair.example.com", "CertificateArn": certificate, "HostedZoneId": "Z0123456789"},
	} {
		if got, err := deployed(t, parameters).Condition(condition); !got || err != nil {
			t.Errorf("with %v %s is %v, %v", parameters, condition, got, err)
		}
		if got, err := deployed(t, nil).Condition(condition); got || err != nil {
			t.Errorf("without parameters %s is %v, %v", condition, got, err)
		}
	}
}

// With a key of the maker's, it encrypts all that holds data, and whoever reads or writes that
// may use it through the service that holds it, and not else.
func TestKeyOfYourOwn(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:123456789012:key/1a2b"
	tpl := template(t)
	with, without := deployed(t, map[string]string{"KmsKeyArn": key}), deployed(t, nil)
	encrypted := map[string][]string{
		"DeviceTable": {"SSESpecification", "KMSMasterKeyId"}, "LwaSecret": {"KmsKeyId"}, "KeysSecret": {"KmsKeyId"},
		"RetryQueue": {"KmsMasterKeyId"}, "RetryDlq": {"KmsMasterKeyId"}, "NotifyDlq": {"KmsMasterKeyId"},
	}
	for name := range resources(tpl, "AWS::Logs::LogGroup") {
		encrypted[name] = []string{"KmsKeyId"}
	}
	for name, path := range encrypted {
		properties := at(tpl, "Resources", name, "Properties")
		if got := at(resolve(t, with, properties), path...); got != key {
			t.Errorf("%s is encrypted with %v, want the key", name, got)
		}
		if got := at(resolve(t, without, properties), path...); got != nil {
			t.Errorf("without a key of one's own %s has %v", name, got)
		}
	}
	for name := range resources(tpl, "AWS::SQS::Queue") {
		for _, stack := range []*cfn.Stack{with, without} {
			q := resolve(t, stack, at(tpl, "Resources", name, "Properties"))
			if (at(q, "KmsMasterKeyId") != nil) == (at(q, "SqsManagedSseEnabled") == true) {
				t.Errorf("%s: key %v, of SQS: %v; want one of them", name, at(q, "KmsMasterKeyId"), at(q, "SqsManagedSseEnabled"))
			}
		}
	}
	for name, want := range map[string]string{
		"CallbackRole": "kms:Decrypt", "RefreshRole": "kms:Decrypt",
		"ReplenishRole": "kms:Decrypt kms:GenerateDataKey", "NotifyRole": "kms:Decrypt kms:GenerateDataKey", "ReplenishRuleRole": "kms:Decrypt kms:GenerateDataKey",
	} {
		if got := keyActions(t, resolve(t, with, at(tpl, "Resources", name, "Properties")), key); got != want {
			t.Errorf("%s may %q with the key, want %q", name, got, want)
		}
		if got := keyActions(t, resolve(t, without, at(tpl, "Resources", name, "Properties")), key); got != "" {
			t.Errorf("without a key %s may %q", name, got)
		}
	}
}

// keyActions returns what a role may do with keys.
func keyActions(t *testing.T, role any, key string) string {
	t.Helper()
	var all []string
	for _, p := range list(at(role, "Policies")) {
		for _, s := range list(at(p, "PolicyDocument", "Statement")) {
			for _, a := range list(at(s, "Action")) {
				if !strings.HasPrefix(a.(string), "kms:") {
					continue
				}
				all = append(all, a.(string))
				if at(s, "Resource") != key || at(s, "Condition", "StringEquals", "kms:ViaService") == nil {
					t.Errorf("%v is allowed on %v under %v", a, at(s, "Resource"), at(s, "Condition"))
				}
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// Alarms reach a topic in any case: the maker's, or one of the stack's, to which an address may
// be subscribed.
func TestAlarmTopic(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:123456789012:on-duty"
	tpl := template(t)
	for _, tt := range []struct {
		parameters   map[string]string
		makes, mails bool
		action       any
	}{
		{nil, true, false, "arn:aws:sns:us-east-1:123456789012:AlarmTopic"},
		{map[string]string{"AlarmEmail": "ops@example.com"}, true, true, "arn:aws:sns:us-east-1:123456789012:AlarmTopic"},
		{map[string]string{"AlarmTopicArn": topic}, false, false, topic},
	} {
		stack := deployed(t, tt.parameters)
		makes, err := stack.Condition(at(tpl, "Resources", "AlarmTopic", "Condition").(string))
		if err != nil {
			t.Fatal(err)
		}
		mails, err := stack.Condition(at(tpl, "Resources", "AlarmSubscription", "Condition").(string))
		if err != nil {
			t.Fatal(err)
		}
		if makes != tt.makes || mails != tt.mails {
			t.Errorf("%v: makes a topic: %v, mails: %v; want %v and %v", tt.parameters, makes, mails, tt.makes, tt.mails)
		}
		actions := resolve(t, stack, at(tpl, "Resources", "RetryDlqAlarm", "Properties", "AlarmActions"))
		if got := list(actions)[0]; got != tt.action {
			t.Errorf("%v: alarms go to %v, want %v", tt.parameters, got, tt.action)
		}
	}
}
