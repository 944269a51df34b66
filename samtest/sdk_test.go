//go:build sam

package samtest_test

import (
	"encoding/json"
	"net"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/samtest/template"
)

// sdk invokes the functions of a world as AWS's services do: by `sam local start-lambda`
// and the AWS SDK, one warm function after another's event.
type sdk struct {
	*world
	t      *testing.T
	client *lambda.Client
}

func newSDK(t *testing.T, name string) *sdk {
	t.Helper()
	w := newWorld(t, name)
	server, err := w.StartLambda(t.Context(), freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if t.Failed() {
			t.Log(server.Log())
		}
	})
	return &sdk{w, t, lambda.New(lambda.Options{
		Region: template.Region, BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:  awshttp.NewBuildableClient().WithTimeout(2 * time.Minute), // a cold start on a busy machine
	})}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// give makes something true, now.
func (s *sdk) give(names ...string) {
	s.t.Helper()
	s.fixtures = s.fixturesNow()
	for _, name := range names {
		if err := s.fixtures.Give(s.t.Context(), name); err != nil {
			s.t.Fatalf("given %s: %v", name, err)
		}
	}
}

// invoke hands an event to a function and returns its result.
func (s *sdk) invoke(function string, event any) []byte {
	s.t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := s.client.Invoke(s.t.Context(), &lambda.InvokeInput{FunctionName: aws.String(logical(function)), Payload: payload})
	if err != nil {
		s.t.Fatalf("%s: %v", function, err)
	}
	if out.FunctionError != nil {
		s.t.Fatalf("%s failed on %s: %s", function, payload, out.Payload)
	}
	return out.Payload
}

// heard returns what was published and sent since the last call.
func (s *sdk) heard() *eventtest.Outcome {
	s.t.Helper()
	calls, _, err := s.Proxy.Calls(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	o := new(eventtest.Outcome)
	for _, c := range calls {
		if err := o.Heard(&c, s.ARN("RetryQueue")); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.Proxy.Clear(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return o
}

// told returns the payloads of the messages to the device on one of its topics.
func (s *sdk) told(event string) (payloads []map[string]any) {
	s.t.Helper()
	for _, m := range s.heard().Published {
		if m.Topic == message.Down(thing, event) {
			payloads = append(payloads, m.Payload.(map[string]any))
		}
	}
	return payloads
}

func (s *sdk) resolve(v any) any {
	s.t.Helper()
	resolved, err := s.Resolver.Resolve(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return resolved
}

func (s *sdk) registration() *store.Registration {
	s.t.Helper()
	r := &store.Registration{Thing: thing}
	if err := s.Store.Get(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
	return r
}
