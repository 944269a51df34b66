//go:build sam

package samtest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/samtest/stack"
)

// workers is how many events happen at once, each in a stack of its own: as many as keep
// two cores busy while containers start and stop.
const workers = 3

// Every event leads to what stands beside it, and its function calls of AWS what its role
// allows alone.
func TestEvents(t *testing.T) {
	cases, err := eventtest.Cases("../events", "")
	if err != nil {
		t.Fatal(err)
	}
	idle := make(chan *world, workers)
	for i := range workers {
		idle <- newWorld(t, fmt.Sprintf("events%d", i))
	}
	var done atomic.Int64
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := <-idle
			defer func() { idle <- w }()
			began := time.Now()
			w.reset(t, c)
			c.Check(t, w)
			fmt.Fprintf(os.Stderr, "%3d of %d  %4.1f s  %s\n", done.Add(1), len(cases), time.Since(began).Seconds(), c.Name)
		})
	}
}

// world is a stack as a place where events happen.
type world struct {
	*stack.Stack
	ring     *seal.Ring
	shards   int
	secrets  map[string]string
	fixtures eventtest.Fixtures
	c        *eventtest.Case
}

func newWorld(t *testing.T, name string) *world {
	t.Helper()
	client := eventtest.Client()
	s, err := host.Deploy(t.Context(), name, map[string]string{
		"LwaClientId": client.ID, "LwaClientSecret": client.Secret.Reveal(), "RedirectUrl": client.RedirectURLs[0],
		"LwaAuthorizeUrl": "https://lwa.invalid/ap/oa", // a browser's; here there is none
		"EventBus":        "default",
	}, client.RedirectURLs[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	keys := s.Environ["CallbackFunction"]["RESTOCK_KEYS_SECRET"]
	out, err := s.Secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &keys})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Stack: s}
	if w.shards, err = strconv.Atoi(s.Environ["RefreshFunction"]["RESTOCK_SHARDS"]); err != nil {
		t.Fatal(err)
	}
	if w.ring, err = seal.Parse([]byte(*out.SecretString)); err != nil {
		t.Fatal(err)
	}
	var members map[string]string
	if err := json.Unmarshal([]byte(*out.SecretString), &members); err != nil {
		t.Fatal(err)
	}
	w.secrets = map[string]string{"generated key": members[members["primary"]]}
	return w
}

// reset makes the world an empty one, in which it is now.
func (w *world) reset(t *testing.T, c *eventtest.Case) {
	t.Helper()
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.c, w.fixtures = c, w.fixturesNow()
}

func (w *world) fixturesNow() eventtest.Fixtures {
	return eventtest.Fixtures{
		Now: time.Now().UTC().Truncate(time.Second), Store: w.Store, Ring: w.ring, Shards: w.shards, Amazon: w.Amazon, Secrets: w.secrets,
	}
}

// Fixtures implements [eventtest.World].
func (w *world) Fixtures() *eventtest.Fixtures { return &w.fixtures }

// Invoke implements [eventtest.World].
func (w *world) Invoke(t *testing.T, event []byte) *eventtest.Outcome {
	t.Helper()
	i, err := w.Stack.Invoke(t.Context(), logical(w.c.Function), event, w.c.Want.Env)
	if err != nil {
		t.Fatal(err)
	}
	calls, lost, err := w.Proxy.Calls(t.Context())
	if err != nil || lost > 0 {
		t.Fatalf("%d calls are lost, %v", lost, err)
	}
	w.allowed(t, calls, logical(w.c.Function))
	o := &eventtest.Outcome{Answer: i.Answer, Error: i.Error, Log: i.Log, Bus: []any{}}
	for _, c := range calls {
		switch {
		case c.Error == "ConditionalCheckFailedException": // somebody was first
			continue
		case c.API == "ChangeMessageVisibility" && c.Error == "ReceiptHandleIsInvalid": // the events' receipts are invented
			continue
		case c.Status/100 != 2:
			t.Errorf("AWS refused: %s", c)
			continue
		}
		if err := o.Heard(&c, w.ARN("RetryQueue")); err != nil {
			t.Fatalf("%s %s: %v", c, c.Body, err)
		}
	}
	return o
}

// logical is what template.yaml calls a function.
func logical(function string) string {
	return strings.ToUpper(function[:1]) + function[1:] + "Function"
}
