package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/message"
)

const (
	rule = `{"data":"eyJzbG90IjoiZmlsdGVyIn0=","thing":"ACME-VAC-1::SN0001","action":"replenish","client_id":"ACME-VAC-1::SN0001",` +
		`"principal":"ab12","trace_id":"t-1","received_at":1780000000123}`
	queue    = `{"Records":[{"messageId":"m-1","body":"{}","eventSource":"aws:sqs"},{"messageId":"m-2","body":"x","eventSource":"aws:sqs"}]}`
	topic    = `{"Records":[{"EventVersion":"1.0","EventSource":"aws:sns","Sns":{"MessageId":"n-1","Message":"hello"}}]}`
	schedule = `{"task":"refresh"}`
	request  = `{"version":"2.0","routeKey":"$default","rawPath":"/","rawQueryString":"","requestContext":{"domainName":"x","http":{"method":"GET"}}}`
)

// taken notes which handler took an event, and what it saw.
type taken struct {
	by   string
	rule message.RuleEvent
	text string
}

func (k *taken) function() *gateway.Function {
	return &gateway.Function{
		Name: "all",
		HTTP: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { k.by = "http" }),
		Rule: func(_ context.Context, e message.RuleEvent) error {
			k.by, k.rule = "rule", e
			return nil
		},
		Queue: func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			k.by, k.text = "queue", e.Records[0].MessageId
			return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: e.Records[1].MessageId}}}, nil
		},
		Topic: func(_ context.Context, e events.SNSEvent) error {
			k.by, k.text = "topic", e.Records[0].SNS.Message
			return nil
		},
		Schedule: func(_ context.Context, raw []byte) (any, error) {
			k.by, k.text = "schedule", string(raw)
			return map[string]int{"refreshed": 3}, nil
		},
	}
}

func TestWhoTakesWhat(t *testing.T) {
	for _, tt := range []struct{ event, by, text, answer string }{
		{rule, "rule", "", "null"},
		{queue, "queue", "m-1", `{"batchItemFailures":[{"itemIdentifier":"m-2"}]}`},
		{topic, "topic", "hello", "null"},
		{schedule, "schedule", schedule, `{"refreshed":3}`},
		{request, "http", "", ""},
	} {
		t.Run(tt.by, func(t *testing.T) {
			var k taken
			answer, err := k.function().Invoke(t.Context(), []byte(tt.event))
			if err != nil || k.by != tt.by || k.text != tt.text {
				t.Errorf("Invoke() = %v, taken by %q as %q; want %q and %q", err, k.by, k.text, tt.by, tt.text)
			}
			if tt.answer != "" && string(answer) != tt.answer {
				t.Errorf("Invoke() = %s, want %s", answer, tt.answer)
			}
		})
	}
}

func TestRuleEventIsWhole(t *testing.T) {
	var k taken
	if _, err := k.function().Invoke(t.Context(), []byte(rule)); err != nil {
		t.Fatal(err)
	}
	want := message.RuleEvent{
		Data: []byte(`{"slot":"filter"}`), Thing: "ACME-VAC-1::SN0001", Action: "replenish", ClientID: "ACME-VAC-1::SN0001",
		Principal: "ab12", TraceID: "t-1", ReceivedAt: 1780000000123,
	}
	if diff := cmp.Diff(want, k.rule); diff != "" {
		t.Errorf("rule event differs (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	const canary = "canary-secret"
	for name, event := range map[string]string{
		"empty":              "",
		"no JSON":            canary,
		"a list":             `["` + canary + `"]`,
		"a string":           `"` + canary + `"`,
		"null":               "null",
		"empty object":       "{}",
		"unknown":            `{"secret":"` + canary + `"}`,
		"no source":          `{"Records":[{"body":"` + canary + `"}]}`,
		"another source":     `{"Records":[{"eventSource":"aws:s3","body":"` + canary + `"}]}`,
		"no records":         `{"Records":[]}`,
		"payload format 1.0": `{"version":"1.0","requestContext":{"http":{}},"path":"/` + canary + `"}`,
		"no base64":          `{"thing":"a","action":"b","data":"` + canary + `!"}`,
		"wrong type":         `{"thing":"a","action":"b","received_at":"` + canary + `"}`,
		"half a rule event":  `{"thing":"` + canary + `"}`,
		"malformed batch":    `{"Records":[{"eventSource":"aws:sqs","body":{"a":"` + canary + `"}}]}`,
		"malformed topic":    `{"Records":[{"EventSource":"aws:sns","Sns":"` + canary + `"}]}`,
		"malformed request":  `{"version":"2.0","requestContext":{"http":{}},"body":["` + canary + `"]}`,
		"too large":          `{"task":"` + strings.Repeat("x", gateway.MaxEvent) + `"}`,
		"deep":               strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			var k taken
			answer, err := k.function().Invoke(t.Context(), []byte(event))
			var refused *gateway.EventError
			if !errors.As(err, &refused) || answer != nil || k.by != "" {
				t.Fatalf("Invoke() = %s, %v (taken by %q), want an EventError", answer, err, k.by)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats the event: %v", err)
			}
		})
	}
}

// What a function does not take it refuses, and it says what it takes.
func TestEachKindNeedsItsHandler(t *testing.T) {
	for name, tt := range map[string]struct {
		function gateway.Function
		events   []string
		want     string
	}{
		"refresh": {
			gateway.Function{Queue: new(taken).function().Queue, Schedule: new(taken).function().Schedule},
			[]string{request, rule, topic},
			`refresh takes SQS batches, {"task":"refresh"}; this event is an`,
		},
		"replenish": {
			gateway.Function{HTTP: http.NotFoundHandler(), Rule: new(taken).function().Rule},
			[]string{queue, topic, schedule},
			"replenish takes HTTP API requests in payload format 2.0, events of the IoT rule; this event is an",
		},
		"notify": {gateway.Function{Topic: new(taken).function().Topic}, []string{queue}, "notify takes SNS notifications; this event is an SQS batch"},
	} {
		tt.function.Name = name
		for _, event := range tt.events {
			if _, err := tt.function.Invoke(t.Context(), []byte(event)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%s of %.40s = %v, want %q…", name, event, err, tt.want)
			}
		}
	}
}

func TestHandlerErrorComesBack(t *testing.T) {
	busy := errors.New("table is busy")
	f := &gateway.Function{Rule: func(context.Context, message.RuleEvent) error { return busy }}
	if answer, err := f.Invoke(t.Context(), []byte(rule)); !errors.Is(err, busy) || answer != nil {
		t.Errorf("Invoke() = %s, %v, want the handler's error", answer, err)
	}
}

func TestPanicBecomesAnError(t *testing.T) {
	var logged strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&logged, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	f := &gateway.Function{Rule: func(context.Context, message.RuleEvent) error { panic("canary-secret") }}
	answer, err := f.Invoke(t.Context(), []byte(rule))
	var panicked *gateway.PanicError
	if !errors.As(err, &panicked) || answer != nil {
		t.Errorf("Invoke() = %s, %v, want a PanicError", answer, err)
	}
	if !strings.Contains(logged.String(), "gateway_test.go") || strings.Contains(logged.String()+err.Error(), "canary") {
		t.Errorf("want the stack without the value in the log: %s", logged.String())
	}
}

// A handler that waits for its deadline has half a second left to answer.
func TestTimeIsReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		f := &gateway.Function{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusServiceUnavailable)
		})}
		answer, err := f.Invoke(ctx, []byte(request))
		if err != nil || time.Since(start) != 2500*time.Millisecond {
			t.Errorf("Invoke() = %v after %v, want an answer after 2.5s", err, time.Since(start))
		}
		var response events.APIGatewayV2HTTPResponse
		if err := json.Unmarshal(answer, &response); err != nil || response.StatusCode != 503 {
			t.Errorf("answer = %s", answer)
		}
	})
}
