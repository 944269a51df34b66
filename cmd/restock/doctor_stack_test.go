package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/doctor"
	"github.com/restock-dev/restock/internal/mototest"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
)

// alarmTopic is the ARN of a topic called alarms at moto.
const alarmTopic = "arn:aws:sns:us-east-1:123456789012:alarms"

// withFunctions stands before moto, whose stack has no functions, and adds them with their
// variables, of which the last function has some of its own, and the topic of alarms.
func withFunctions(t *testing.T, environ []string, variables map[string]string, own ...string) []string {
	t.Helper()
	moto, err := url.Parse(strings.TrimPrefix(environ[0], "AWS_ENDPOINT_URL="))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(moto)
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Header.Get("X-Test-List") == "" {
			return nil
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		var more string
		for name, id := range map[string]string{
			"CallbackFunction": "CallbackFunction-1", "RefreshFunction": "RefreshFunction-1", "ReplenishFunction": "ReplenishFunction-1",
			"NotifyFunction": "NotifyFunction-1", "AlarmTopic": alarmTopic,
		} {
			more += "<member><LogicalResourceId>" + name + "</LogicalResourceId><PhysicalResourceId>" + id + "</PhysicalResourceId>" +
				"<ResourceStatus>CREATE_COMPLETE</ResourceStatus><ResourceType>any</ResourceType></member>"
		}
		text = bytes.Replace(text, []byte("<StackResourceSummaries>"), []byte("<StackResourceSummaries>"+more), 1)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Del("Content-Length")
		return nil
	}
	variables = maps.Clone(variables) // the caller changes them for the next ones
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/") {
			w.Header().Set("Content-Type", "application/json")
			its := maps.Clone(variables)
			if strings.Contains(r.URL.Path, "NotifyFunction") {
				for _, v := range own {
					name, value, _ := strings.Cut(v, "=")
					its[name] = value
				}
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"Environment": map[string]any{"Variables": its}})
			return
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(text, []byte("Action=ListStackResources")) {
			r.Header.Set("X-Test-List", "1")
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return append([]string{"AWS_ENDPOINT_URL=" + server.URL}, environ[1:]...)
}

func resourceOf(t *testing.T, s *deployed.Stack, name string) string {
	t.Helper()
	id, err := s.Resource(name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDoctorOnStack(t *testing.T) {
	b := startSandbox(t, nil, "--redirect-url", "https://pair.example.com/callback")
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	ctx, sdk := t.Context(), stack.AWS()
	secrets := secretsmanager.NewFromConfig(sdk)
	credentials := `{"client_id":"` + b.ClientID + `","client_secret":"` + b.ClientSecret + `"}`
	if _, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("lwa"), SecretString: &credentials}); err != nil {
		t.Fatal(err)
	}
	keysSecret, table := resourceOf(t, stack, "KeysSecret"), resourceOf(t, stack, "DeviceTable")
	variables := map[string]string{
		"RESTOCK_TABLE": table, "RESTOCK_LWA_SECRET": "lwa", "RESTOCK_KEYS_SECRET": keysSecret,
		"RESTOCK_REDIRECT_URL": "https://pair.example.com/callback", "RESTOCK_LWA_API_URL": b.APIURL, "RESTOCK_DRS_URL": b.APIURL, "RESTOCK_SHARDS": "1",
	}
	// The callback page lies at a name that leads nowhere, which nobody off this machine is asked for.
	env := append(withFunctions(t, environ, variables), "HTTPS_PROXY=http://127.0.0.1:1")
	onIt := []string{"--stack", mototest.Stack}
	news := sns.NewFromConfig(sdk)
	if made, err := news.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("alarms")}); err != nil || *made.TopicArn != alarmTopic {
		t.Fatalf("making the topic of alarms: %v, %v", made, err)
	}

	got := findings(t, env, exitFailed, onIt...)
	levels(t, got, map[string]doctor.Level{
		"settings": doctor.OK, "secret of the LWA credentials": doctor.OK, "key ring": doctor.OK, "table": doctor.OK, "index": doctor.OK,
		"queue RefreshQueue": doctor.OK, "queue RetryQueue": doctor.OK, "queue RetryDlq": doctor.OK, "queue RefreshDlq": doctor.OK, "queue NotifyDlq": doctor.OK,
		"client ID": doctor.OK, "client secret": doctor.OK, "redirect URL": doctor.OK, "clock": doctor.OK, "Dash Replenishment": doctor.OK,
		"callback page":          doctor.Warn, // out of reach
		"topic of notifications": doctor.Fail, // moto's stack has no policy and no function
		"topic of alarms":        doctor.Warn, // and nobody on duty
	})

	topic := resourceOf(t, stack, "NotificationTopic")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::476877469412:root"},"Action":"sns:Publish","Resource":"` + topic + `"}]}`
	if _, err := news.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: &policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := news.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("lambda"), Endpoint: aws.String("arn:aws:lambda:us-east-1:123456789012:function:notify")}); err != nil {
		t.Fatal(err)
	}
	if _, err := news.Subscribe(ctx, &sns.SubscribeInput{TopicArn: aws.String(alarmTopic), Protocol: aws.String("email"), Endpoint: aws.String("duty@example.com")}); err != nil {
		t.Fatal(err)
	}
	put := func(queue string) {
		t.Helper()
		if _, err := sqs.NewFromConfig(sdk).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(resourceOf(t, stack, queue)), MessageBody: aws.String("x")}); err != nil {
			t.Fatal(err)
		}
	}
	put("RetryDlq")
	token := storeDevice(t, stack, keysSecret, table)
	got = findings(t, env, 0, onIt...)
	levels(t, got, map[string]doctor.Level{"topic of notifications": doctor.OK, "topic of alarms": doctor.OK, "queue RetryDlq": doctor.Warn, "key ring": doctor.OK})
	if !strings.Contains(got["queue RetryDlq"].Fix, "restock redrive") || !strings.Contains(got["key ring"].Found, "1 stored tokens") {
		t.Errorf("found %+v and %+v", got["queue RetryDlq"], got["key ring"])
	}

	// The same stack hands out a device's token.
	printed := restock(t, env, "token", "--thing", "ACME-VAC-1::SN0001", "--stack", mototest.Stack)
	if printed.code != 0 || printed.out != token+"\n" {
		t.Errorf("restock token --stack: %+v", printed)
	}
	restock(t, env, "token", "--thing", "ACME-VAC-1::SN0002", "--stack", mototest.Stack).sentence(t, exitSignIn, "not paired")

	// What is wrong is found with its setting.
	env = withFunctions(t, environ, variables, "RESTOCK_SHARDS=2", "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:1")
	if f := findings(t, env, exitFailed, onIt...)["function NotifyFunction"]; f.Level != doctor.Fail || f.Setting != "RESTOCK_SHARDS of NotifyFunction" {
		t.Errorf("with a variable that was changed in the console: %+v", f)
	}
	if _, err := secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("lwa"), SecretString: aws.String(`{"client_id":"canary"}`)}); err != nil {
		t.Fatal(err)
	}
	if f := findings(t, env, exitFailed, onIt...)["secret of the LWA credentials"]; f.Setting != "lwa" || !strings.Contains(f.Found, "client_secret") {
		t.Errorf("with half of the credentials: %+v", f)
	}
	variables["RESTOCK_TABLE"], variables["RESTOCK_LWA_SECRET"] = "no-such-table", "no-such-secret"
	env = withFunctions(t, environ, variables)
	levels(t, findings(t, env, exitFailed, onIt...), map[string]doctor.Level{"table": doctor.Fail, "secret of the LWA credentials": doctor.Fail})
	variables["RESTOCK_SHARDS"] = "many"
	env = withFunctions(t, environ, variables)
	if f := findings(t, env, exitFailed, onIt...)["settings"]; f.Setting != "RESTOCK_SHARDS" {
		t.Errorf("with a malformed variable: %+v", f)
	}
	restock(t, env, "doctor", "--stack", "other").sentence(t, exitFailed, "no stack other")
}

// storeDevice puts a paired device into the table, and returns its token.
func storeDevice(t *testing.T, s *deployed.Stack, keysSecret, table string) string {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(s.AWS()).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &keysSecret})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Parse([]byte(aws.ToString(out.SecretString)))
	if err != nil {
		t.Fatal(err)
	}
	const token = "Atza|token-of-a-device"
	r := &store.Registration{
		Thing: "ACME-VAC-1::SN0001", DeviceModel: "ACME-VAC-1", Serial: "SN0001", Status: store.Active, Region: "na",
		Expiry: time.Now().Add(time.Hour), DueShard: "0", DueAt: time.Now().Add(50 * time.Minute),
	}
	if r.AccessToken, err = ring.Seal(r.Thing, seal.FieldAccessToken, token); err != nil {
		t.Fatal(err)
	}
	if err := (&dynamo.Store{Client: dynamodb.NewFromConfig(s.AWS()), Table: table}).Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return token
}
