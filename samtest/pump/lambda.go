// Package pump does for functions in `sam local start-lambda` what AWS does with their
// events, and SAM does not: it polls queues for them, tries asynchronous events again, and
// hands those that failed over to their destination. It reads from the translated template
// how.
//
// Sources: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, …/services-sqs-errorhandling.html,
// …/invocation-async-error-handling.html, …/invocation-async-retain-records.html
package pump

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/restock-dev/restock/samtest/stack"
)

// Pump moves events of one stack.
type Pump struct {
	stack  *stack.Stack
	url    string
	hidden []receipt

	// Failed hears of each time that a function failed; nil: nobody does.
	Failed func(function string, f *Failure)
}

// New returns a pump for the functions of a stack that `sam local start-lambda` serves at
// a URL.
func New(s *stack.Stack, url string) *Pump { return &Pump{stack: s, url: url} }

// Failure is what a function made of an event that it failed on.
type Failure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Died is the Type of a failure that the function itself could not tell of.
const Died = "Runtime.ExitError"

func (f *Failure) Error() string { return f.Type + ": " + f.Message }

// Invoke hands an event to a function, by its logical name, and returns its answer.
//
// Errors: [*Failure] where the function failed, ran out of time or died; else what kept it
// from being invoked.
func (p *Pump) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	answer, err := p.invoke(ctx, function, event)
	if f, failed := errors.AsType[*Failure](err); failed && p.Failed != nil {
		p.Failed(function, f)
	}
	return answer, err
}

func (p *Pump) invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/2015-03-31/functions/"+function+"/invocations", bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var failed Failure
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("sam knows no function %s: %s", function, answer)
	case len(bytes.TrimSpace(answer)) == 0, res.StatusCode != http.StatusOK:
		return nil, &Failure{Type: Died, Message: "it died, or ran out of time"}
	case json.Unmarshal(answer, &failed) == nil && failed.Message != "":
		return nil, &failed
	}
	return answer, nil
}

// Async invokes a function as Lambda does for an asynchronous event, without the waits
// between the tries. The error is that of the last try, where the event went to the
// destination, or was lost for want of one.
func (p *Pump) Async(ctx context.Context, function string, event []byte) error {
	retries, destination, err := p.asyncConfig(function)
	if err != nil {
		return err
	}
	var failed error
	for tries := 1; tries <= retries+1; tries++ {
		_, failed = p.Invoke(ctx, function, event)
		failure, ok := errors.AsType[*Failure](failed)
		switch {
		case failed == nil:
			return nil
		case !ok:
			return failed
		case tries == retries+1 && destination != "":
			return p.handOver(ctx, function, destination, event, failure, tries)
		}
	}
	return failed
}

// asyncConfig returns what EventInvokeConfig says of a function, or what holds without one.
func (p *Pump) asyncConfig(function string) (retries int, destination string, err error) {
	retries = 2
	t := p.stack.Resolver.Template
	for _, name := range t.OfType("AWS::Lambda::EventInvokeConfig") {
		c, err := resolve[struct {
			FunctionName         string
			MaximumRetryAttempts *int
			DestinationConfig    struct{ OnFailure struct{ Destination string } }
		}](p.stack, name)
		if err != nil {
			return 0, "", err
		}
		if p.stack.Function(c.FunctionName) != function {
			continue
		}
		if c.MaximumRetryAttempts != nil {
			retries = *c.MaximumRetryAttempts
		}
		destination = c.DestinationConfig.OnFailure.Destination
	}
	return retries, destination, nil
}

// handOver sends the record of a failed event to a queue, and returns the failure.
func (p *Pump) handOver(ctx context.Context, function, destination string, event []byte, failed *Failure, tries int) error {
	url, err := p.queueURL(destination)
	if err != nil {
		return err
	}
	record, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e", "functionArn": p.stack.Ref(function) + ":$LATEST",
			"condition": "RetriesExhausted", "approximateInvokeCount": tries,
		},
		"requestPayload":  json.RawMessage(event),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"responsePayload": failed,
	})
	if err != nil {
		return err
	}
	body := string(record)
	if _, err := p.stack.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
		return fmt.Errorf("handing %s's event over: %w", function, err)
	}
	return failed
}

// queueURL returns the URL of the queue with an ARN.
func (p *Pump) queueURL(arn string) (string, error) {
	for _, name := range p.stack.Resolver.Template.OfType("AWS::SQS::Queue") {
		if p.stack.Resolver.Attributes[name]["Arn"] == arn {
			return p.stack.Ref(name), nil
		}
	}
	return "", fmt.Errorf("the stack has no queue %s", arn)
}

// resolve reads the properties of a resource into a T.
func resolve[T any](s *stack.Stack, name string) (v T, err error) {
	resolved, err := s.Resolver.Resolve(s.Resolver.Template.Resources[name].Properties)
	if err != nil {
		return v, fmt.Errorf("%s: %w", name, err)
	}
	text, err := json.Marshal(resolved)
	if err != nil {
		return v, err
	}
	if err := json.NewDecoder(strings.NewReader(string(text))).Decode(&v); err != nil {
		return v, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}
