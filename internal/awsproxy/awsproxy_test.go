package awsproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/restock-dev/restock/internal/awsproxy"
)

const queueURL = "https://sqs.eu-west-1.amazonaws.com/999999999999/retry"

// stack is a proxy before an AWS that has nothing, and takes everything.
type stack struct {
	*awsproxy.Proxy
	sdk aws.Config
	url string

	heard atomic.Int32 // calls that reached the AWS
	path  atomic.Value
}

func start(t *testing.T) *stack {
	t.Helper()
	s := new(stack)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.heard.Add(1)
		s.path.Store(r.Host + r.URL.EscapedPath())
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(upstream.Close)
	u, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.Proxy = &awsproxy.Proxy{Upstreams: map[string]*url.URL{"": u}}
	server := httptest.NewServer(s.Proxy)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.sdk = aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("REPLENISH", "x", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return s
}

func (s *stack) get(ctx context.Context) error {
	_, err := dynamodb.NewFromConfig(s.sdk).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("devices"), Key: key})
	return err
}

func (s *stack) put(ctx context.Context) error {
	_, err := dynamodb.NewFromConfig(s.sdk).PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("devices"), Item: key})
	return err
}

func (s *stack) query(ctx context.Context) error {
	_, err := dynamodb.NewFromConfig(s.sdk).Query(ctx, &dynamodb.QueryInput{TableName: aws.String("devices"), IndexName: aws.String("due")})
	return err
}

func (s *stack) send(ctx context.Context) error {
	_, err := sqs.NewFromConfig(s.sdk).SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: aws.String(queueURL), Entries: []sqstypes.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: aws.String("hello")}},
	})
	return err
}

func (s *stack) secret(ctx context.Context) error {
	_, err := secretsmanager.NewFromConfig(s.sdk).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("lwa")})
	return err
}

func (s *stack) publish(ctx context.Context) error {
	_, err := iotdataplane.NewFromConfig(s.sdk).Publish(ctx, &iotdataplane.PublishInput{
		Topic: aws.String("dash/v1/down/ACME::1/result"), Payload: []byte(`{"a":1}`), Qos: 1,
	})
	return err
}

func (s *stack) event(ctx context.Context, buses ...string) error {
	in := new(eventbridge.PutEventsInput)
	for _, b := range buses {
		in.Entries = append(in.Entries, eventtypes.PutEventsRequestEntry{EventBusName: aws.String(b), Detail: aws.String("{}")})
	}
	_, err := eventbridge.NewFromConfig(s.sdk).PutEvents(ctx, in)
	return err
}

var key = map[string]dynamotypes.AttributeValue{"pk": &dynamotypes.AttributeValueMemberS{Value: "D#1"}}

// What the SDK sends is read as policies speak of it.
func TestCallsAreRecorded(t *testing.T) {
	s := start(t)
	const arn = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:lwa-AbCdEf"
	for _, call := range []func(context.Context) error{
		s.get, s.query, s.publish, s.secret, s.send,
		func(ctx context.Context) error { return s.event(ctx, "fleet", "fleet") },
		func(ctx context.Context) error { return s.event(ctx, "fleet", "other") },
		func(ctx context.Context) error {
			_, err := secretsmanager.NewFromConfig(s.sdk).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
			return err
		},
	} {
		if err := call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []awsproxy.Call{
		{Action: "dynamodb:GetItem", API: "GetItem", Resource: "arn:aws:dynamodb:eu-west-1:123456789012:table/devices"},
		{Action: "dynamodb:Query", API: "Query", Resource: "arn:aws:dynamodb:eu-west-1:123456789012:table/devices/index/due"},
		{Action: "iot:Publish", API: "Publish", Resource: "arn:aws:iot:eu-west-1:123456789012:topic/dash/v1/down/ACME::1/result", Body: `{"a":1}`},
		{Action: "secretsmanager:GetSecretValue", API: "GetSecretValue", Resource: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lwa", Body: `{"SecretId":"lwa"}`},
		{Action: "sqs:SendMessage", API: "SendMessageBatch", Resource: "arn:aws:sqs:eu-west-1:999999999999:retry"},
		{Action: "events:PutEvents", API: "PutEvents", Resource: "arn:aws:events:eu-west-1:123456789012:event-bus/fleet"},
		{Action: "events:PutEvents", API: "PutEvents"},
		{Action: "secretsmanager:GetSecretValue", API: "GetSecretValue", Resource: arn, Body: `{"SecretId":"` + arn + `"}`},
	}
	for i := range want {
		want[i].Caller, want[i].Status = "REPLENISH", 200
	}
	got, lost := s.Calls()
	for i := range got {
		if strings.HasPrefix(got[i].Action, "sqs:") || strings.HasPrefix(got[i].Action, "events:") {
			if !strings.Contains(got[i].Body, "hello") && !strings.Contains(got[i].Body, "fleet") {
				t.Errorf("%s has the body %s", got[i].Action, got[i].Body)
			}
			got[i].Body = ""
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(awsproxy.Call{}, "At")); diff != "" || lost != 0 {
		t.Errorf("calls differ, %d are lost (-want +got):\n%s", lost, diff)
	}
	if s.Clear(); len(first(s.Calls())) != 0 {
		t.Error("after Clear() there are calls")
	}
}

func first(calls []awsproxy.Call, _ int) []awsproxy.Call { return calls }

// What is forwarded is what was sent: a topic keeps its escapes, and a signed host its name.
func TestForwardedUnchanged(t *testing.T) {
	s := start(t)
	if err := s.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(s.url, "http://")
	if got, want := s.path.Load(), host+"/topics/dash%2Fv1%2Fdown%2FACME%3A%3A1%2Fresult"; got != want {
		t.Errorf("the upstream was asked for %s, want %s", got, want)
	}
}

// A call that is not understood shows up, so that a proof of permissions can fail on it.
func TestUnknownCall(t *testing.T) {
	s := start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/service/Some/operation/Other", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	got := first(s.Calls())
	if len(got) != 1 || got[0].Action != "" || got[0].API != "POST /service/Some/operation/Other" || s.heard.Load() != 1 {
		t.Errorf("calls = %v, want one without action", got)
	}
}

// The SDK takes our errors for what the service would say.
func TestFaultsAreWordedByService(t *testing.T) {
	retryer := retry.NewStandard()
	throttle := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	for service, call := range map[string]func(*stack, context.Context) error{
		"dynamodb": (*stack).put, "sqs": (*stack).send, "secretsmanager": (*stack).secret, "iot": (*stack).publish,
		"events": func(s *stack, ctx context.Context) error { return s.event(ctx, "fleet") },
	} {
		for _, kind := range []awsproxy.Kind{awsproxy.Throttled, awsproxy.Broken, awsproxy.Denied} {
			s := start(t)
			if err := s.Script(awsproxy.Fault{Kind: kind, Service: service}); err != nil {
				t.Fatal(err)
			}
			err := call(s, t.Context())
			var coded smithy.APIError
			if !errors.As(err, &coded) || s.heard.Load() != 0 {
				t.Fatalf("%s %s = %v, after %d calls upstream; want an error of the API", service, kind, err, s.heard.Load())
			}
			if got, want := retryer.IsErrorRetryable(err), kind != awsproxy.Denied; got != want {
				t.Errorf("%s %s (%s): retryable = %v, want %v", service, kind, coded.ErrorCode(), got, want)
			}
			if got, want := throttle.IsErrorThrottle(err) == aws.TrueTernary, kind == awsproxy.Throttled; got != want {
				t.Errorf("%s %s (%s): throttling = %v, want %v", service, kind, coded.ErrorCode(), got, want)
			}
			c := first(s.Calls())[0]
			if c.Fault != kind || c.Status < 400 || c.Error != coded.ErrorCode() {
				t.Errorf("%s %s is recorded as %v", service, kind, c)
			}
		}
	}
}

func TestConflict(t *testing.T) {
	s := start(t)
	if err := s.Script(awsproxy.Fault{Kind: awsproxy.Conflict, Service: "dynamodb"}); err != nil {
		t.Fatal(err)
	}
	var failed *dynamotypes.ConditionalCheckFailedException
	if err := s.put(t.Context()); !errors.As(err, &failed) {
		t.Errorf("PutItem = %v, want a condition that failed", err)
	}
	if err := s.get(t.Context()); err != nil {
		t.Errorf("GetItem = %v: a read has no condition", err)
	}
}

func TestDropped(t *testing.T) {
	for kind, heard := range map[awsproxy.Kind]int32{awsproxy.DropBefore: 0, awsproxy.DropAfter: 1} {
		s := start(t)
		if err := s.Script(awsproxy.Fault{Kind: kind}); err != nil {
			t.Fatal(err)
		}
		err := s.send(t.Context())
		var coded smithy.APIError
		if err == nil || errors.As(err, &coded) || s.heard.Load() != heard {
			t.Errorf("%s: SendMessage = %v, after %d calls upstream; want a broken connection and %d", kind, err, s.heard.Load(), heard)
		}
		if c := first(s.Calls())[0]; c.Fault != kind || (c.Status == 200) != (heard == 1) {
			t.Errorf("%s is recorded as %v", kind, c)
		}
	}
}

func TestDelay(t *testing.T) {
	s := start(t)
	if err := s.Script(awsproxy.Fault{Kind: awsproxy.Delay, DelayMS: 3_600_000}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.get(ctx); !errors.Is(err, context.DeadlineExceeded) || s.heard.Load() != 0 {
		t.Errorf("GetItem = %v, after %d calls upstream; want a time-out and none", err, s.heard.Load())
	}
	s.Heal()
	if err := s.Script(awsproxy.Fault{Kind: awsproxy.Delay, DelayMS: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.get(t.Context()); err != nil {
		t.Errorf("GetItem after a short delay = %v", err)
	}
}

// A rule strikes whom it names, after Skip calls, Times times.
func TestWhomAFaultStrikes(t *testing.T) {
	const broken = awsproxy.Broken
	for name, tt := range map[string]struct {
		fault awsproxy.Fault
		want  string // of get, put, get, put, get, put: x failed
	}{
		"all":              {awsproxy.Fault{Kind: broken}, "xxxxxx"},
		"API":              {awsproxy.Fault{Kind: broken, API: "PutItem"}, "-x-x-x"},
		"caller":           {awsproxy.Fault{Kind: broken, Caller: "REPLENISH"}, "xxxxxx"},
		"another caller":   {awsproxy.Fault{Kind: broken, Caller: "REFRESH"}, "------"},
		"another service":  {awsproxy.Fault{Kind: broken, Service: "sqs"}, "------"},
		"resource":         {awsproxy.Fault{Kind: broken, Resource: "table/devices"}, "xxxxxx"},
		"another resource": {awsproxy.Fault{Kind: broken, Resource: "table/others"}, "------"},
		"times":            {awsproxy.Fault{Kind: broken, Times: 2}, "xx----"},
		"skip":             {awsproxy.Fault{Kind: broken, Skip: 3}, "---xxx"},
		"second write":     {awsproxy.Fault{Kind: broken, API: "PutItem", Skip: 1, Times: 1}, "---x--"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if err := s.Script(tt.fault); err != nil {
				t.Fatal(err)
			}
			got := ""
			for i := range 6 {
				call := s.get
				if i%2 == 1 {
					call = s.put
				}
				if call(t.Context()) != nil {
					got += "x"
				} else {
					got += "-"
				}
			}
			if got != tt.want {
				t.Errorf("calls went %s, want %s", got, tt.want)
			}
			if spent := tt.fault.Times > 0; spent != (len(s.Faults()) == 0) {
				t.Errorf("Faults() = %v", s.Faults())
			}
		})
	}
}

// The same over HTTP.
func TestClient(t *testing.T) {
	s := start(t)
	c := &awsproxy.Client{URL: s.url}
	if err := c.Script(t.Context(), awsproxy.Fault{Kind: awsproxy.Broken, Service: "dynamodb", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.get(t.Context()); err == nil {
		t.Error("GetItem = nil, want the fault")
	}
	if err := c.Script(t.Context(), awsproxy.Fault{Kind: awsproxy.Throttled}); err != nil {
		t.Fatal(err)
	}
	if err := c.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.get(t.Context()); err != nil {
		t.Errorf("GetItem after Heal = %v", err)
	}
	calls, lost, err := c.Calls(t.Context())
	if err != nil || lost != 0 || len(calls) != 2 || calls[0].Fault != awsproxy.Broken || calls[1].Status != 200 || calls[0].At.IsZero() {
		t.Errorf("Calls() = %v, %d, %v", calls, lost, err)
	}
	if err := c.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls, _, err := c.Calls(t.Context()); err != nil || len(calls) != 0 {
		t.Errorf("Calls() after Clear = %v, %v", calls, err)
	}
	for _, wrong := range []awsproxy.Fault{
		{}, {Kind: "slow"}, {Kind: awsproxy.Delay}, {Kind: awsproxy.Conflict, Service: "sqs"}, {Kind: awsproxy.Broken, Skip: -1},
	} {
		if err := c.Script(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("Script(%+v) = %v, want a refusal", wrong, err)
		}
	}
}

// Without anything behind the proxy, the caller gets an error, and so does the record.
func TestNoUpstream(t *testing.T) {
	p := new(awsproxy.Proxy)
	server := httptest.NewServer(p)
	defer server.Close()
	s := &stack{Proxy: p, sdk: aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}}
	if err := s.get(t.Context()); err == nil {
		t.Error("GetItem = nil, want an error")
	}
	if c := first(p.Calls())[0]; c.Status != http.StatusBadGateway || c.Error == "" {
		t.Errorf("recorded as %v", c)
	}
}
