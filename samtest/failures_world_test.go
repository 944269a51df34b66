//go:build sam

package samtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/redrive"
	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/samtest/pump"
	"github.com/restock-dev/restock/samtest/stack"
)

const (
	press     = "ReplenishFunction"
	sweep     = "RefreshFunction"
	notifying = "NotifyFunction"
	vac       = "ACME-VAC-1::SN0001" // the fixtures' paired device
)

// trouble is a stack on which things go wrong.
type trouble struct {
	*testing.T
	*world
	*pump.Pump
	server *stack.Server
	logged int // bytes of the log that are from before

	deepest map[string]int // that queues were seen, by their names

	mu     sync.Mutex
	failed map[string][]*pump.Failure // by function
}

// begin empties the world, with new containers, and gives it what the fixtures name.
func (w *trouble) begin(t *testing.T, given ...string) {
	t.Helper()
	w.T, w.Pump, w.deepest, w.failed = t, pump.New(w.Stack, w.server.URL), map[string]int{}, map[string][]*pump.Failure{}
	w.Failed = func(function string, f *pump.Failure) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failed[function] = append(w.failed[function], f)
	}
	w.cold(press, sweep, notifying)
	w.reset(t, nil)
	w.logged = len(w.server.Log())
	for _, name := range given {
		w.must(w.fixtures.Give(t.Context(), name))
	}
	t.Cleanup(func() {
		w.heldAgainstRoles(t)
		if t.Failed() {
			t.Logf("log:\n%s", w.server.Log()[w.logged:])
		}
	})
}

func (w *trouble) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// cold ends the containers of functions.
func (w *trouble) cold(functions ...string) {
	w.Helper()
	for _, f := range functions {
		ids, err := w.Containers(w.Context(), f)
		w.must(err)
		w.must(w.Kill(w.Context(), ids...))
	}
}

// runningIn waits for the containers of a function. Whoever is to kill it in time has
// looked for them before.
func (w *trouble) runningIn(function string) (ids []string) {
	w.Helper()
	w.until("there is a container of "+function, func() bool {
		var err error
		ids, err = w.Containers(w.Context(), function)
		w.must(err)
		return len(ids) > 0
	})
	return ids
}

// failures returns how often a function failed, by what kind of failure; "": any.
func (w *trouble) failures(function, kind string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.failed[function] {
		if kind == "" || f.Type == kind {
			n++
		}
	}
	return n
}

// wantDied checks that a function has died in an event: had it come to its own end before
// it was killed, all would be as well as it is, and nothing shown.
func (w *trouble) wantDied(function string) {
	w.Helper()
	if n := w.failures(function, pump.Died); n != 1 {
		w.Errorf("%s died %d times in an event, want once", function, n)
	}
}

// heldAgainstRoles holds what was called of AWS against the roles. SAM gives all functions
// that it keeps warm the same credentials, so a call may be by any of them; TestEvents is
// stricter.
func (w *trouble) heldAgainstRoles(t *testing.T) {
	t.Helper()
	calls, lost, err := w.Proxy.Calls(context.WithoutCancel(t.Context()))
	if err != nil || lost > 0 {
		t.Fatalf("%d calls are lost, %v", lost, err)
	}
	w.allowed(t, calls, press, sweep, notifying)
}

func (w *trouble) fault(f awsproxy.Fault) {
	w.Helper()
	w.must(w.Proxy.Script(w.Context(), f))
}

// heal ends all trouble of AWS and of Amazon.
func (w *trouble) heal() {
	w.Helper()
	w.must(errors.Join(w.Proxy.Heal(w.Context()), w.Amazon.Heal(w.Context())))
}

// pressed is what the IoT rule makes of a press.
func pressed(id string) []byte { return pressedAt(id, time.Now()) }

func pressedAt(id string, at time.Time) []byte {
	data, _ := json.Marshal(message.Replenish{Slot: "filter", ID: id}) // two texts
	event, _ := json.Marshal(message.RuleEvent{                        // always marshals
		Data: data, Thing: vac, Action: message.ActionReplenish, ClientID: vac, Principal: "ab12", TraceID: "trace-" + id,
		ReceivedAt: at.UnixMilli(),
	})
	return event
}

// press is the button, pressed once, and the IoT rule.
func (w *trouble) press(id string) error {
	w.Helper()
	err := w.Async(w.Context(), press, pressed(id))
	if _, failed := errors.AsType[*pump.Failure](err); !failed {
		w.must(err)
	}
	return err
}

// poll brings what has failed back, and hands all that is in a function's queue to it,
// once. It returns how many messages are done, and how many failed again.
func (w *trouble) poll(function string) (done, again int) {
	w.Helper()
	w.must(w.PassTime(w.Context()))
	for range w.in(map[string]string{press: "RetryQueue", sweep: "RefreshQueue"}[function]) {
		received, failed, err := w.Poll(w.Context(), function)
		w.must(err)
		done, again = done+received-failed, again+failed
	}
	return done, again
}

// sweep is a run of the schedule, and of the shards that it sends.
func (w *trouble) sweep() {
	w.Helper()
	if _, err := w.Pump.Invoke(w.Context(), sweep, []byte(refresh.Task)); err != nil {
		w.Logf("scheduled run: %v", err)
	}
	w.poll(sweep)
}

// exhaust polls until a message is among the dead letters.
func (w *trouble) exhaust(function, queue string) {
	w.Helper()
	for range backoff.Tries + 5 {
		if w.in(queue) > 0 {
			return
		}
		w.poll(function)
	}
	w.Fatalf("after %d tries nothing is in %s", backoff.Tries, queue)
}

func (w *trouble) in(queue string) int {
	w.Helper()
	n, err := w.Count(w.Context(), queue)
	w.must(err)
	name := fmt.Sprint(w.Resolver.Attributes[queue]["QueueName"])
	w.deepest[name] = max(w.deepest[name], n)
	return n
}

// redrive puts the dead letters of a queue back, as `restock redrive` does.
func (w *trouble) redrive(queue string) deadletter.Done {
	w.Helper()
	s := &redrive.Stack{
		Resource: func(id string) (string, error) { return w.Ref(id), nil },
		Function: func(id string) (string, error) { return id, nil },
		Queues:   redrive.Queues{Receive: w.SQS.ReceiveMessage, Send: w.SQS.SendMessage, Delete: w.SQS.DeleteMessage, Hide: w.SQS.ChangeMessageVisibility, Count: w.SQS.GetQueueAttributes},
		Invoke: func(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
			_ = w.Async(ctx, *in.FunctionName, in.Payload) // it is the function's business from here
			return &lambda.InvokeOutput{StatusCode: 202}, nil
		},
	}
	done, err := s.PutBack(w.Context(), queue, 100)
	w.must(err)
	return done
}

// later lets time pass for what is stored of the device: whatever waits for a time comes
// that much closer to it.
func (w *trouble) later(d time.Duration, ids ...string) {
	w.Helper()
	reg := w.registration()
	earlier(reg, d)
	w.must(w.Store.Put(w.Context(), reg))
	for _, id := range ids {
		m := w.message(id)
		earlier(m, d)
		w.must(w.Store.Put(w.Context(), m))
	}
}

// earlier moves all times of a record back.
func earlier(record any, d time.Duration) {
	members := reflect.ValueOf(record).Elem()
	for i := range members.NumField() {
		if at, ok := members.Field(i).Addr().Interface().(*time.Time); ok && !at.IsZero() {
			*at = at.Add(-d)
		}
	}
}

func (w *trouble) message(id string) *store.Message {
	w.Helper()
	m := &store.Message{Thing: vac, ID: id}
	w.must(w.Store.Get(w.Context(), m))
	return m
}

func (w *trouble) registration() *store.Registration {
	w.Helper()
	reg := &store.Registration{Thing: vac}
	w.must(w.Store.Get(w.Context(), reg))
	return reg
}

// wantOrdered checks that a press came to its one order, and that nothing of it is left
// in a queue.
func (w *trouble) wantOrdered(id string) {
	w.Helper()
	if m := w.message(id); m.State != store.Done || m.Result.Outcome != message.Ordered {
		w.Errorf("press %s is %s: %s %s; want it ordered", id, m.State, m.Result.Outcome, m.Result.DetailCode)
	}
	if n := w.in("RetryQueue"); n != 0 {
		w.Errorf("%d messages are left in the retry queue", n)
	}
	w.wantOrders(1)
}

func (w *trouble) wantOrders(n int) {
	w.Helper()
	s, err := w.Amazon.State(w.Context())
	w.must(err)
	if len(s.Orders) != n {
		w.Errorf("%d orders at DRS, want %d: %v", len(s.Orders), n, s.Orders)
	}
}

// wantActive checks that the device has its grant.
func (w *trouble) wantActive() {
	w.Helper()
	if reg := w.registration(); reg.Status != store.Active || reg.RefreshToken == "" {
		w.Errorf("the registration is %s (%s), want it active with its refresh token", reg.Status, reg.Reason)
	}
}

// wantCounted checks that the functions have counted something.
func (w *trouble) wantCounted(name string, dimensions ...string) {
	w.Helper()
	want := map[string]string{}
	for i := 0; i < len(dimensions); i += 2 {
		want[dimensions[i]] = dimensions[i+1]
	}
	found := false
	w.counted(w.logged, func(line map[string]any) {
		n, ok := line[name].(float64)
		found = found || ok && n > 0 && fits(line, want)
	})
	if !found {
		w.Errorf("nothing is counted as %s %v", name, dimensions)
	}
}

// gaps returns for how many seconds the function has hidden messages that failed.
func (w *trouble) gaps() (seconds []int) {
	w.Helper()
	calls, _, err := w.Proxy.Calls(w.Context())
	w.must(err)
	for _, c := range calls {
		var in struct{ VisibilityTimeout int }
		if c.API == "ChangeMessageVisibility" {
			w.must(json.Unmarshal([]byte(c.Body), &in))
			seconds = append(seconds, in.VisibilityTimeout)
		}
	}
	return seconds
}

// put puts a body into a queue.
func (w *trouble) put(queue, body string) {
	w.Helper()
	url := w.Ref(queue)
	_, err := w.SQS.SendMessage(w.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	w.must(err)
}

// begins does things at the same time as what follows.
func (w *trouble) begins(things ...func()) *sync.WaitGroup {
	all := new(sync.WaitGroup)
	for _, do := range things {
		all.Go(do)
	}
	return all
}

// until waits for something that happens in a container.
func (w *trouble) until(what string, happened func() bool) {
	w.Helper()
	for end := time.Now().Add(90 * time.Second); !happened(); {
		if time.Now().After(end) {
			w.Fatalf("it does not come to pass that %s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// cancel is the customer who cancels the one order.
func (w *trouble) cancel() {
	w.Helper()
	s, err := w.Amazon.State(w.Context())
	w.must(err)
	if len(s.Orders) != 1 {
		w.Fatalf("%d orders, want one to cancel", len(s.Orders))
	}
	w.must(w.Amazon.Order(w.Context(), s.Orders[0].ID, "cancel"))
}

// notification is what SNS makes of the one notification of a type.
func (w *trouble) notification(kind string) []byte {
	w.Helper()
	all, err := w.Amazon.Notifications(w.Context())
	w.must(err)
	for _, n := range all {
		if strings.Contains(n.Message, kind+"Notification") {
			event, err := json.Marshal(events.SNSEvent{Records: []events.SNSEventRecord{{
				EventVersion: "1.0", EventSource: "aws:sns", SNS: events.SNSEntity{MessageID: kind, Type: "Notification", Message: n.Message, TopicArn: w.Ref("NotificationTopic")},
			}}})
			w.must(err)
			return event
		}
	}
	w.Fatalf("DRS has sent no %s in %v", kind, all)
	return nil
}

// client is the LWA client of the fixtures.
func (w *trouble) client() stack.Client {
	c := eventtest.Client()
	return stack.Client{ID: c.ID, Secret: c.Secret.Reveal(), RedirectURLs: c.RedirectURLs}
}

// secret writes a client into the LWA secret.
func (w *trouble) secret(c stack.Client) {
	w.Helper()
	text, err := json.Marshal(map[string]string{"client_id": c.ID, "client_secret": c.Secret})
	w.must(err)
	id, value := w.Ref("LwaSecret"), string(text)
	_, err = w.Secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: &value})
	w.must(err)
}
