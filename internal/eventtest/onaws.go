package eventtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
	"github.com/restock-dev/restock/internal/wiring"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// PartsOf makes the parts that a function has on AWS of its environment.
type PartsOf func(environ map[string]string) (*wiring.Parts, error)

// onAWS is a function with the parts that it has on AWS, which talk to a stand-in for AWS
// by way of a proxy. The sandbox is Amazon, and the time stands still.
type onAWS struct {
	fixtures Fixtures
	function *gateway.Function
	amazon   *sandbox.Sandbox
	proxy    *awsproxy.Proxy
	table    string
	retry    string // ARN of the retry queue
}

// deployed is the stack that functions on AWS are of, with further parameters, names and
// values in turn.
func deployed(more ...string) (*cfn.Stack, error) {
	parameters := map[string]string{"EventBus": "fleet"}
	for i := 0; i+1 < len(more); i += 2 {
		parameters[more[i]] = more[i+1]
	}
	return cfn.Deployed(parameters)
}

func newOnAWS(t *testing.T, stack *cfn.Stack, name string, parts PartsOf, build Build, env map[string]string) *onAWS {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	environ, err := stack.Environ(name)
	fatal(err)
	w := &onAWS{table: environ["RESTOCK_TABLE"], retry: stack.Attributes["RetryQueue"]["Arn"].(string)}
	proxy := w.serve(t, NewAWS(t))
	for variable := range environ {
		if strings.HasPrefix(variable, "AWS_ENDPOINT_URL_") {
			environ[variable] = proxy
		}
	}
	maps.Copy(environ, map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": "x",
		"RESTOCK_TABLE":        w.table,
		"RESTOCK_REDIRECT_URL": redirectURL, "RESTOCK_LWA_API_URL": "https://lwa.invalid", "RESTOCK_DRS_URL": "https://drs.invalid",
	})
	maps.Copy(environ, env)
	p, err := parts(environ)
	fatal(err)
	clock := lwatest.NewStoppedClock(Now)
	w.amazon, err = sandbox.New(sandbox.Options{Clock: clock, Client: Client(), Keep: Forget{}})
	fatal(err)
	p.Now, p.HTTPClient, p.Metrics = clock.Now, &http.Client{Transport: toAmazon{w.amazon}}, new(metrics.Memory)
	p.Store.(*dynamo.Store).Now = clock.Now
	ring, err := seal.Parse([]byte(keyRing))
	fatal(err)
	w.fixtures = Fixtures{
		Now: Now, Ring: ring, Shards: p.Config.Shards, Amazon: Here{w.amazon},
		Store: &dynamo.Store{Client: dynamotest.NewClient(w.proxy.Upstreams["dynamodb"].String()), Table: w.table, Now: clock.Now},
	}
	w.function, err = build(p)
	fatal(err)
	return w
}

// serve puts the proxy before aws, and returns its URL. Where RESTOCK_TEST_DYNAMODB names
// a DynamoDB, the table is there, under a name of its own.
func (w *onAWS) serve(t *testing.T, aws *AWS) string {
	t.Helper()
	here, err := url.Parse(aws.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.proxy = &awsproxy.Proxy{Upstreams: map[string]*url.URL{"": here, "dynamodb": here}}
	if address := os.Getenv("RESTOCK_TEST_DYNAMODB"); address != "" {
		if w.proxy.Upstreams["dynamodb"], err = url.Parse(address); err != nil {
			t.Fatal(err)
		}
		w.table = dynamotest.Table(t, dynamotest.NewClient(address))
	}
	server := httptest.NewServer(w.proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// Fixtures implements [World].
func (w *onAWS) Fixtures() *Fixtures { return &w.fixtures }

// Invoke implements [World].
func (w *onAWS) Invoke(t *testing.T, event []byte) *Outcome {
	t.Helper()
	logged := captureLog(t)
	answer, failed := w.function.Invoke(t.Context(), event)
	o := &Outcome{Answer: answer, Published: []Message{}, Queued: []any{}, Sent: []string{}, Bus: []any{}}
	if failed != nil {
		o.Error = fmt.Sprintf("%T: %v", failed, failed)
	}
	calls, _ := w.proxy.Calls()
	for _, c := range calls {
		if c.Status != http.StatusOK {
			continue
		}
		if err := o.Heard(&c, w.retry); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	o.Log = logged.String()
	return o
}

// Heard notes what a call of AWS says to others; retry is the ARN of the retry queue.
func (o *Outcome) Heard(c *awsproxy.Call, retry string) error {
	var in struct {
		MessageBody string
		Entries     []struct{ MessageBody, Detail string }
	}
	var decoded any
	switch c.Action {
	case "iot:Publish":
		if err := json.Unmarshal([]byte(c.Body), &decoded); err != nil {
			return err
		}
		_, topic, _ := strings.Cut(c.Resource, ":topic/")
		o.Published = append(o.Published, Message{Topic: topic, Payload: decoded})
		return nil
	case "sqs:SendMessage", "events:PutEvents":
	default:
		return nil
	}
	if err := json.Unmarshal([]byte(c.Body), &in); err != nil {
		return err
	}
	for _, e := range in.Entries {
		if c.Action == "sqs:SendMessage" {
			o.Sent = append(o.Sent, e.MessageBody)
			continue
		}
		if err := json.Unmarshal([]byte(e.Detail), &decoded); err != nil {
			return err
		}
		o.Bus = append(o.Bus, decoded)
	}
	if c.API != "SendMessage" || c.Resource != retry {
		return nil
	}
	var e message.RuleEvent
	if err := json.Unmarshal([]byte(in.MessageBody), &e); err != nil {
		return err
	}
	shown, err := Queued(e)
	o.Queued = append(o.Queued, shown)
	return err
}
