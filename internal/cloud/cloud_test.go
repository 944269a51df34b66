package cloud_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

const canary = "canary-secret"

// call is a request that an endpoint got.
type call struct {
	Method, Path, Query, Target string
	Header                      http.Header
	Body                        []byte
}

// endpoint stands for one service of AWS.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

// serve answers every call with the next answer, the last one again and again.
func serve(t *testing.T, answers ...func(w http.ResponseWriter, body []byte)) *endpoint {
	t.Helper()
	e := new(endpoint)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		n := min(len(e.calls), len(answers)-1)
		e.calls = append(e.calls, call{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("X-Amz-Target"), r.Header, body})
		e.mu.Unlock()
		answers[n](w, body)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) got() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

func say(status int, body string) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, _ []byte) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func open(t *testing.T, service string, e *endpoint) *cloud.AWS {
	t.Helper()
	a, err := cloud.Open(map[string]string{
		"RESTOCK_RETRY_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/retry", "RESTOCK_EVENT_BUS": "fleet",
		"RESTOCK_REFRESH_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/refresh",
		"AWS_REGION":                "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": canary,
		"AWS_ENDPOINT_URL_" + service: e.URL, "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPublisher(t *testing.T) {
	e := serve(t, say(200, ""))
	p := open(t, "IOT_DATA_PLANE", e).Publisher()
	if len(e.got()) != 0 {
		t.Error("making a publisher called AWS")
	}
	payload := message.Result{ID: "7", Thing: "ACME:2B1::SN0001", Slot: "filter", Outcome: message.Ordered, At: time.UnixMilli(0).UTC()}
	if err := p.Publish(t.Context(), "ACME:2B1::SN0001", message.EventResult, payload); err != nil {
		t.Fatal(err)
	}
	got := e.got()[0]
	if want := "/topics/dash%2Fv1%2Fdown%2FACME%3A2B1%3A%3ASN0001%2Fresult"; got.Method != "POST" || got.Path != want {
		t.Errorf("call = %s %s, want POST %s", got.Method, got.Path, want)
	}
	if !strings.Contains("&"+got.Query+"&", "&qos=1&") || strings.Contains(got.Query, "retain=true") {
		t.Errorf("query = %s, want QoS 1, not retained", got.Query)
	}
	if got.Header.Get("X-Amz-Mqtt5-Message-Expiry") != "3600" && !strings.Contains(got.Query, "messageExpiry=3600") {
		t.Errorf("the message does not expire after an hour: %s %v", got.Query, got.Header)
	}
	var sent message.Result
	if err := json.Unmarshal(got.Body, &sent); err != nil || sent != payload {
		t.Errorf("payload = %s, %v", got.Body, err)
	}
	if auth := got.Header.Get("Authorization"); !strings.Contains(auth, "/eu-west-1/") || strings.Contains(auth, canary) {
		t.Errorf("Authorization = %q, want a signature for the region", auth)
	}
}

func TestPublisherFails(t *testing.T) {
	e := serve(t, say(403, `{"message":"no"}`))
	err := open(t, "IOT_DATA_PLANE", e).Publisher().Publish(t.Context(), "ACME::1", "result", 1)
	if err == nil || !strings.HasPrefix(err.Error(), "publishing result to ACME::1: ") || len(e.got()) != 1 {
		t.Errorf("Publish() = %v after %d calls, want one refused call", err, len(e.got()))
	}
	if err := open(t, "IOT_DATA_PLANE", e).Publisher().Publish(t.Context(), "ACME::1", "result", func() {}); err == nil {
		t.Error("Publish(func) = nil, want an error")
	}
}

// accept answers as SQS does, with the checksums that the SDK verifies.
func accept(w http.ResponseWriter, body []byte) {
	var in struct {
		MessageBody string
		Entries     []struct{ ID, MessageBody string }
	}
	_ = json.Unmarshal(body, &in)
	sum := func(s string) string {
		b := md5.Sum([]byte(s))
		return hex.EncodeToString(b[:])
	}
	out := map[string]any{"MessageId": "m", "MD5OfMessageBody": sum(in.MessageBody), "Failed": []any{}}
	var ok []any
	for _, entry := range in.Entries {
		ok = append(ok, map[string]string{"Id": entry.ID, "MessageId": "m", "MD5OfMessageBody": sum(entry.MessageBody)})
	}
	out["Successful"] = ok
	text, _ := json.Marshal(out)
	say(200, string(text))(w, nil)
}

func TestRetry(t *testing.T) {
	e := serve(t, accept)
	q := open(t, "SQS", e).Retry()
	event := message.RuleEvent{Data: []byte{0, 0xff}, Thing: "ACME::1", Action: "replenish", ClientID: "ACME::1", TraceID: "t", ReceivedAt: 5}
	if err := q.Enqueue(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		QueueURL     string `json:"QueueUrl"`
		MessageBody  string
		DelaySeconds int
	}
	got := e.got()[0]
	if err := json.Unmarshal(got.Body, &sent); err != nil {
		t.Fatal(err)
	}
	if got.Target != "AmazonSQS.SendMessage" || sent.QueueURL != "https://sqs.eu-west-1.amazonaws.com/123456789012/retry" || sent.DelaySeconds != 1 {
		t.Errorf("call = %s %+v", got.Target, sent)
	}
	var back message.RuleEvent
	if err := json.Unmarshal([]byte(sent.MessageBody), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event, back); diff != "" {
		t.Errorf("the message changed on its way (-want +got):\n%s", diff)
	}
}

func TestRetryDelay(t *testing.T) {
	for gap, want := range map[time.Duration]string{time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", 10 * time.Minute: "600"} {
		e := serve(t, accept)
		if err := open(t, "SQS", e).Retry().Delay(t.Context(), "receipt", gap); err != nil {
			t.Fatal(err)
		}
		got := e.got()[0]
		body := `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/retry","ReceiptHandle":"receipt","VisibilityTimeout":` + want + `}`
		if got.Target != "AmazonSQS.ChangeMessageVisibility" || string(got.Body) != body {
			t.Errorf("call = %s %s, want %s", got.Target, got.Body, body)
		}
	}
	e := serve(t, say(400, `{"__type":"com.amazonaws.sqs#ReceiptHandleIsInvalid"}`))
	if err := open(t, "SQS", e).Retry().Delay(t.Context(), "receipt", time.Second); err == nil || !strings.HasPrefix(err.Error(), "hiding a message for 1s: ") {
		t.Errorf("Delay() = %v, want an error", err)
	}
}

func TestFanout(t *testing.T) {
	e := serve(t, accept)
	var bodies []string
	for range 23 {
		bodies = append(bodies, `{"shard":"`+strings.Repeat("1", len(bodies)%3)+`"}`)
	}
	if err := open(t, "SQS", e).Fanout().Send(t.Context(), bodies); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range e.got() {
		var sent struct {
			Entries []struct{ ID, MessageBody string }
		}
		if err := json.Unmarshal(c.Body, &sent); err != nil || c.Target != "AmazonSQS.SendMessageBatch" || len(sent.Entries) > 10 {
			t.Errorf("call = %s with %d entries, %v", c.Target, len(sent.Entries), err)
		}
		ids := map[string]bool{}
		for _, entry := range sent.Entries {
			ids[entry.ID] = true
			got = append(got, entry.MessageBody)
		}
		if len(ids) != len(sent.Entries) {
			t.Errorf("the IDs of a batch are not distinct: %s", c.Body)
		}
	}
	if diff := cmp.Diff(bodies, got); diff != "" {
		t.Errorf("messages differ (-want +got):\n%s", diff)
	}
	if err := open(t, "SQS", e).Fanout().Send(t.Context(), nil); err != nil || len(e.got()) != 3 {
		t.Errorf("Send(nothing) = %v after %d calls in all, want no call", err, len(e.got()))
	}
}

// SQS answers 200 also when it took none of the messages.
func TestFanoutIsRefusedInPart(t *testing.T) {
	e := serve(t, say(200, `{"Successful":[],"Failed":[{"Id":"0","Code":"InternalError","SenderFault":false}]}`))
	err := open(t, "SQS", e).Fanout().Send(t.Context(), []string{"a"})
	if err == nil || !strings.Contains(err.Error(), "refused 1") || !strings.Contains(err.Error(), "InternalError") {
		t.Errorf("Send() = %v, want an error that counts the refused", err)
	}
}

func TestSecrets(t *testing.T) {
	e := serve(t, say(200, `{"SecretString":"`+canary+`"}`), say(200, `{"SecretBinary":"AAE="}`), say(400, `{"__type":"ResourceNotFoundException"}`))
	s := open(t, "SECRETS_MANAGER", e).Secrets()
	if got, err := s.Fetch(t.Context(), "restock/lwa", ""); err != nil || string(got) != canary {
		t.Errorf("Fetch() = %q, %v", got, err)
	}
	if got, err := s.Fetch(t.Context(), "restock/lwa", "AWSPENDING"); err != nil || !bytes.Equal(got, []byte{0, 1}) {
		t.Errorf("Fetch(AWSPENDING) = %q, %v", got, err)
	}
	if got, err := s.Fetch(t.Context(), "restock/lwa", "AWSPREVIOUS"); err == nil || got != nil || !strings.HasPrefix(err.Error(), "fetching secret restock/lwa (AWSPREVIOUS): ") {
		t.Errorf("Fetch(AWSPREVIOUS) = %q, %v, want an error", got, err)
	}
	for i, want := range []string{`{"SecretId":"restock/lwa","VersionStage":"AWSCURRENT"}`, `{"SecretId":"restock/lwa","VersionStage":"AWSPENDING"}`} {
		if c := e.got()[i]; c.Target != "secretsmanager.GetSecretValue" || string(c.Body) != want {
			t.Errorf("call %d = %s %s, want %s", i, c.Target, c.Body, want)
		}
	}
}

func TestBus(t *testing.T) {
	e := serve(t, say(200, `{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}`), say(200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException"}]}`))
	b := open(t, "EVENTBRIDGE", e).Bus()
	r := &store.Registration{
		Thing: "ACME::1", DeviceModel: "ACME", Serial: "1", Status: store.GrantEnded, Reason: store.ReasonConsentWithdrawn,
		StatusAt: time.UnixMilli(1_780_000_000_123), CustomerID: canary, AccessToken: canary, RefreshToken: canary, KeyHash: canary,
	}
	if err := b.GrantEnded(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Entries []struct{ EventBusName, Source, DetailType, Detail string }
	}
	got := e.got()[0]
	if err := json.Unmarshal(got.Body, &sent); err != nil || len(sent.Entries) != 1 || got.Target != "AWSEvents.PutEvents" {
		t.Fatalf("call = %s %s, %v", got.Target, got.Body, err)
	}
	entry := sent.Entries[0]
	if entry.EventBusName != "fleet" || entry.Source != "restock" || entry.DetailType != "Grant Ended" {
		t.Errorf("entry = %+v", entry)
	}
	want := `{"thing":"ACME::1","device_model":"ACME","serial":"1","status":"grant_ended","reason":"consent_withdrawn","at":"2026-05-28T20:26:40.123Z"}`
	if entry.Detail != want {
		t.Errorf("detail = %s\nwant     %s", entry.Detail, want)
	}
	if err := b.GrantEnded(t.Context(), r); err == nil || !strings.Contains(err.Error(), "ThrottlingException") || strings.Contains(err.Error(), canary) {
		t.Errorf("GrantEnded() = %v, want the refusal", err)
	}
}

// A fault of the service is tried again a few times, within seconds; a refusal is not.
func TestAttemptsAreBounded(t *testing.T) {
	e := serve(t, say(400, `{"__type":"AccessDenied"}`))
	a := open(t, "SQS", e)
	if err := a.Retry().Enqueue(t.Context(), message.RuleEvent{}); err == nil || len(e.got()) != 1 {
		t.Errorf("Enqueue() = %v after %d calls, want one refused call", err, len(e.got()))
	}
	r := a.DynamoDB().Options().Retryer
	if r.MaxAttempts() != 3 {
		t.Errorf("%d attempts, want 3", r.MaxAttempts())
	}
	fault := &smithy.GenericAPIError{Code: "InternalFailure", Fault: smithy.FaultServer}
	for range 100 {
		if d, err := r.RetryDelay(3, fault); err != nil || d > time.Second {
			t.Fatalf("RetryDelay() = %v, %v, want a second at most", d, err)
		}
	}
}

func TestContextEndsACall(t *testing.T) {
	e := serve(t, accept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(t, "SQS", e).Retry().Enqueue(ctx, message.RuleEvent{}); err == nil || len(e.got()) != 0 {
		t.Errorf("Enqueue() = %v after %d calls, want none", err, len(e.got()))
	}
}

func TestOwnEndpoints(t *testing.T) {
	a, err := cloud.Open(map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": canary, "AWS_ENDPOINT_URL_DYNAMODB": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	if base := a.DynamoDB().Options().BaseEndpoint; base != nil {
		t.Errorf("an empty variable makes the endpoint %q, want AWS's own", *base)
	}
	if region := a.DynamoDB().Options().Region; region != "eu-west-1" {
		t.Errorf("region = %q", region)
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	for missing, environ := range map[string]map[string]string{
		"AWS_REGION is not set":            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": canary},
		"AWS_ACCESS_KEY_ID is not set":     {"AWS_REGION": "r", "AWS_SECRET_ACCESS_KEY": canary},
		"AWS_SECRET_ACCESS_KEY is not set": {"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": canary},
	} {
		if _, err := cloud.Open(environ); err == nil || !strings.HasPrefix(err.Error(), missing) || strings.Contains(err.Error(), canary) {
			t.Errorf("Open() = %v, want %s", err, missing)
		}
	}
	_, err := cloud.Open(map[string]string{"AWS_REGION": "r"}, "RESTOCK_TABLE")
	var f *config.Fault
	if !errors.As(err, &f) || f.Variable != "RESTOCK_TABLE" {
		t.Errorf("Open() = %v, want the fault of RESTOCK_TABLE", err)
	}
}
