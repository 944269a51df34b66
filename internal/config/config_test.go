package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/pkg/lwa"
)

func TestDefaults(t *testing.T) {
	c, err := config.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{Region: "na", RefreshPolicy: "ahead", Shards: 16, MQTTTrustLocal: true}
	if diff := cmp.Diff(want, c, cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("Parse(nil) differs (-want +got):\n%s", diff)
	}
}

func sameSecret(a, b lwa.Secret) bool { return a.Reveal() == b.Reveal() }

func TestParse(t *testing.T) {
	c, err := config.Parse(map[string]string{
		"RESTOCK_TABLE":              "restock-dev.devices",
		"RESTOCK_LWA_SECRET":         "arn:aws:secretsmanager:us-east-1:123456789012:secret:lwa-AbCdEf",
		"RESTOCK_KEYS_SECRET":        "restock/keys",
		"RESTOCK_LWA_CLIENT_ID":      "amzn1.application-oa2-client.0123",
		"RESTOCK_LWA_CLIENT_SECRET":  "canary-secret",
		"RESTOCK_LWA_REGION":         "eu",
		"RESTOCK_REDIRECT_URL":       "https://pair.example.com/callback",
		"RESTOCK_LWA_PUBLIC_CLIENTS": "amzn1.a, amzn1.b",
		"RESTOCK_TEST_DEVICES":       "true",
		"RESTOCK_NON_LIVE":           "false",
		"RESTOCK_REFRESH_POLICY":     "on-use",
		"RESTOCK_REFRESH_QUEUE_URL":  "https://sqs.us-east-1.amazonaws.com/123456789012/refresh",
		"RESTOCK_RETRY_QUEUE_URL":    "http://aws:5000/123456789012/retry",
		"RESTOCK_SHARDS":             "256",
		"RESTOCK_EVENT_BUS":          "arn:aws:events:us-east-1:123456789012:event-bus/fleet",
		"RESTOCK_ALLOWED_ORIGINS":    "https://shop.example.com,http://localhost:3000",
		"RESTOCK_LWA_AUTHORIZE_URL":  "http://sandbox:8081/ap/oa",
		"RESTOCK_LWA_API_URL":        "http://sandbox:8081",
		"RESTOCK_DRS_URL":            "http://[::1]:8082/drs",
		"RESTOCK_HTTP":               ":8080",
		"RESTOCK_MQTT":               "0.0.0.0:1883",
		"RESTOCK_MQTT_TRUST_LOCAL":   "false",
		"RESTOCK_SANDBOX":            "[::1]:0",
		"RESTOCK_DATA":               "/var/lib/restock/data.db",
		"HOME":                       "/nobody",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Table: "restock-dev.devices", LWASecret: "arn:aws:secretsmanager:us-east-1:123456789012:secret:lwa-AbCdEf",
		KeysSecret: "restock/keys", LWAClientID: "amzn1.application-oa2-client.0123", LWAClientSecret: lwa.NewSecret("canary-secret"),
		Region: lwa.EU, RedirectURL: "https://pair.example.com/callback", PublicClients: config.List{"amzn1.a", "amzn1.b"},
		TestDevices: true, RefreshPolicy: "on-use", RefreshQueueURL: "https://sqs.us-east-1.amazonaws.com/123456789012/refresh",
		RetryQueueURL: "http://aws:5000/123456789012/retry", Shards: 256, EventBus: "arn:aws:events:us-east-1:123456789012:event-bus/fleet",
		AllowedOrigins:  config.List{"https://shop.example.com", "http://localhost:3000"},
		LWAAuthorizeURL: "http://sandbox:8081/ap/oa", LWAURL: "http://sandbox:8081", DRSURL: "http://[::1]:8082/drs",
		HTTP: ":8080", MQTT: "0.0.0.0:1883", Sandbox: "[::1]:0", Data: "/var/lib/restock/data.db",
	}
	if diff := cmp.Diff(want, c, cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("Parse() differs (-want +got):\n%s", diff)
	}
	if out := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(out, "canary") {
		t.Errorf("the configuration prints its secret: %s", out)
	}
}

// What browsers send as Origin is taken.
func TestOrigins(t *testing.T) {
	want := config.List{
		"https://xn--bcher-kva.example", "https://a.example:8443", "https://my_shop.example.com", "http://127.0.0.1", "http://[::1]:3000",
	}
	c, err := config.Parse(map[string]string{"RESTOCK_ALLOWED_ORIGINS": strings.Join(want, ",")})
	if err != nil || !cmp.Equal(want, c.AllowedOrigins) {
		t.Errorf("Parse() = %v, %v", c, err)
	}
}

// Every variable is refused with a sentence that names it and says what it should hold,
// and that repeats nothing of the value.
func TestFaults(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("https://a.example,", 33), ",")
	for variable, values := range map[string][]string{
		"RESTOCK_TABLE":              {"ab", "a b c", strings.Repeat("a", 256)},
		"RESTOCK_LWA_SECRET":         {"my secret", "a\x00b", strings.Repeat("a", 2049)},
		"RESTOCK_KEYS_SECRET":        {"{}", "a\nb"},
		"RESTOCK_LWA_CLIENT_ID":      {"amzn1 x", "a/b"},
		"RESTOCK_LWA_CLIENT_SECRET":  {"a b", "ä", strings.Repeat("s", 1025)},
		"RESTOCK_LWA_REGION":         {"us", "NA", "na "},
		"RESTOCK_REDIRECT_URL":       {"/callback", "http://pair.example.com/callback", "https://pair.example.com/callback#x", "https://pair.example.com/callback?x=1", "https://u:p@pair.example.com/callback", "ftp://localhost/"},
		"RESTOCK_LWA_PUBLIC_CLIENTS": {"a,,b", "a,b c", ","},
		"RESTOCK_TEST_DEVICES":       {"yes", "True!"},
		"RESTOCK_NON_LIVE":           {"2"},
		"RESTOCK_REFRESH_POLICY":     {"never", "onuse"},
		"RESTOCK_REFRESH_QUEUE_URL":  {"refresh", "sqs://x/y", "https://sqs/?a=b"},
		"RESTOCK_RETRY_QUEUE_URL":    {"https://", "https://x/#y"},
		"RESTOCK_SHARDS":             {"0", "257", "-1", "1.5", "sixteen", "0x10", "016", "99999999999999999999"},
		"RESTOCK_EVENT_BUS":          {"my bus", "bus?"},
		"RESTOCK_ALLOWED_ORIGINS":    {"*", "https://a.example/", "http://a.example", "a.example", "https://A.example", "https://u@a.example", "null", many, "https://*.example.com", "https://b\u00fccher.example", "https://a.example:443", "http://localhost:80", "https://a.example:", "https://a.example:08443", "https://[::0001]"},
		"RESTOCK_LWA_AUTHORIZE_URL":  {"localhost:8081", "https://x/ap/oa?a=b"},
		"RESTOCK_LWA_API_URL":        {"//x", "https://x/?", "https://u:p@x"},
		"RESTOCK_DRS_URL":            {"x", "https://x#"},
		"RESTOCK_HTTP":               {"8080", "localhost", "localhost:http", "localhost:65536", "a:b:1"},
		"RESTOCK_MQTT":               {"localhost:-1"},
		"RESTOCK_MQTT_TRUST_LOCAL":   {"loopback"},
		"RESTOCK_SANDBOX":            {"::1:80"},
		"RESTOCK_DATA":               {"a\x00b", strings.Repeat("a", 4097), "a\xffb"},
	} {
		for _, value := range values {
			t.Run(variable, func(t *testing.T) { checkFault(t, variable, value) })
		}
	}
}

func checkFault(t *testing.T, variable, value string) {
	t.Helper()
	_, err := config.Parse(map[string]string{variable: value})
	var f *config.Fault
	if !errors.As(err, &f) || f.Variable != variable || f.Missing {
		t.Fatalf("Parse(%s=%.40q) = %v, want its fault", variable, value, err)
	}
	want := config.Want(variable)
	if want == "" || err.Error() != variable+" must hold "+want {
		t.Errorf("Parse(%s=%.40q) = %q, want one sentence with %q", variable, value, err, want)
	}
	if len(value) > 12 && strings.Contains(err.Error(), value) {
		t.Errorf("the sentence repeats the value: %q", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := config.Parse(map[string]string{"RESTOCK_SHARDS": "0", "RESTOCK_LWA_SECRET": ""}, "RESTOCK_LWA_SECRET", "RESTOCK_TABLE", "RESTOCK_SHARDS")
	want := "RESTOCK_SHARDS must hold a whole number from 1 to 256\n" +
		"RESTOCK_LWA_SECRET is not set; it must hold the name or ARN of the Secrets Manager secret with the LWA credentials\n" +
		"RESTOCK_TABLE is not set; it must hold the name of the DynamoDB table, 3 to 255 of A-Z a-z 0-9 _ . -"
	if err == nil || err.Error() != want {
		t.Errorf("Parse() = %v, want\n%s", err, want)
	}
}

// A variable without check, or a check without variable, would be taken unseen.
func TestEveryVariableHasItsCheck(t *testing.T) {
	names := config.Variables()
	if len(names) != 24 {
		t.Errorf("%d variables, want 24; is the new one in the docs and in template.yaml?", len(names))
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "RESTOCK_") || config.Want(name) == "" {
			t.Errorf("variable %q has no check", name)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name, authorize, api string
		want                 lwa.Endpoint
	}{
		{"Amazon's", "", "", lwa.EU.Endpoint()},
		{"API alone", "", "http://localhost:8081/", lwa.Endpoint{AuthorizeURL: "http://localhost:8081/ap/oa", APIURL: "http://localhost:8081"}},
		{"both", "http://localhost:1/oa", "http://localhost:2", lwa.Endpoint{AuthorizeURL: "http://localhost:1/oa", APIURL: "http://localhost:2"}},
		{"page alone", "http://localhost:1/oa", "", lwa.Endpoint{AuthorizeURL: "http://localhost:1/oa", APIURL: lwa.EU.Endpoint().APIURL}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &config.Config{LWAAuthorizeURL: tt.authorize, LWAURL: tt.api}
			if got := c.Endpoint(lwa.EU); got != tt.want {
				t.Errorf("Endpoint() = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for i, name := range config.Variables() {
		f.Add(i, name)
	}
	f.Add(8, "https://a,https://b")
	f.Add(6, "http://[::1%25x]:80/callback")
	f.Fuzz(func(t *testing.T, i int, value string) {
		names := config.Variables()
		name := names[uint(i)%uint(len(names))]
		c, err := config.Parse(map[string]string{name: value})
		var fault *config.Fault
		switch {
		case err == nil && c == nil:
			t.Error("neither configuration nor error")
		case err != nil && (!errors.As(err, &fault) || fault.Variable != name):
			t.Errorf("Parse(%s=%q) = %v, want its fault: the check and the type disagree", name, value, err)
		}
	})
}
