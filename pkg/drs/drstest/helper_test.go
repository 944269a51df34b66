package drstest_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// The tokens of two devices of one customer: one real, one for tests.
const (
	token     = "Atza|canary-real"
	testToken = "Atza|canary-test"
)

var (
	device = drstest.Device{
		Model: "ACME-VAC-1", Serial: "SN0001",
		ClientID: "amzn1.application-oa2-client.EXAMPLE", CustomerID: "amzn1.account.EXAMPLE",
	}
	testDevice = drstest.Device{Model: "ACME-VAC-1", Serial: "SN+T", CustomerID: "amzn1.account.EXAMPLE", Test: true}
)

var start = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// list is what hooks, which servers call from their own goroutines, have seen.
type list[T any] struct {
	mu   sync.Mutex
	seen []T
}

func (l *list[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, v)
}

// take returns what has come since the last take.
func (l *list[T]) take() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

// inbox keeps notifications.
type inbox struct{ list[received] }

type received struct {
	*drs.Notification
	body       string
	attributes map[string]string
}

func (i *inbox) receive(t *testing.T) func([]byte, map[string]string) {
	return func(body []byte, attributes map[string]string) {
		n, err := drs.ParseNotification(body)
		if err != nil {
			t.Errorf("notification %s: %v", body, err)
			return
		}
		i.add(received{n, string(body), attributes})
	}
}

// types names what has come, shortly.
func (i *inbox) types() string {
	var types []string
	for _, n := range i.take() {
		types = append(types, strings.TrimSuffix(string(n.Type), "Notification"))
	}
	return strings.Join(types, " ")
}

// sandbox is a server with its clock and its inbox.
type sandbox struct {
	*drstest.Server
	clock *clock
	inbox *inbox
}

// open starts a server that knows both devices. o's own fields win.
func open(t *testing.T, o drstest.Options) sandbox {
	t.Helper()
	b := sandbox{clock: &clock{now: start}, inbox: new(inbox)}
	if o.Authorize == nil {
		o.Authorize = drstest.Tokens(map[string]drstest.Device{token: device, testToken: testDevice})
	}
	if o.Now == nil {
		o.Now = b.clock.Now
	}
	if o.Notify == nil {
		o.Notify = b.inbox.receive(t)
	}
	b.Server = drstest.NewServer(t, o)
	return b
}

// replenish orders, and wants that detail code.
func (b sandbox) replenish(t *testing.T, token, slot, code string) string {
	t.Helper()
	r, err := b.Client().Replenish(t.Context(), token, slot)
	if err != nil || r.DetailCode != code {
		t.Fatalf("Replenish(%s) = %+v, %v, want %s", slot, r, err, code)
	}
	return r.EventInstanceID
}

// travel moves the clock and lets what is due happen.
func (b sandbox) travel(t *testing.T, d time.Duration) {
	t.Helper()
	b.clock.advance(d)
	ok(t, b.Tick())
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const prefix = "com.amazon.dash.replenishment."

// ask sends a plain HTTP request with the headers of Amazon's table, unless edit changes
// them: what is checked with it doesn't rest on our own client.
func (b sandbox) ask(t *testing.T, method, path, input, result, body string, edit func(http.Header)) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, b.URL+path, strings.NewReader(body))
	ok(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("x-amzn-type-version", prefix+input)
	r.Header.Set("x-amzn-accept-type", prefix+result)
	if edit != nil {
		edit(r.Header)
	}
	res, err := http.DefaultClient.Do(r)
	ok(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	ok(t, err)
	return string(b)
}

// disk keeps records as a file would.
type disk struct {
	mu      sync.Mutex
	records map[string]drstest.Record
	full    error
}

func (d *disk) Save(records []drstest.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full != nil {
		return d.full
	}
	if d.records == nil {
		d.records = map[string]drstest.Record{}
	}
	for _, r := range records {
		if r.Value == nil {
			delete(d.records, r.Key)
			continue
		}
		d.records[r.Key] = r
	}
	return nil
}

func (d *disk) all() []drstest.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []drstest.Record
	for _, r := range d.records {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b drstest.Record) int { return strings.Compare(a.Key, b.Key) })
	return all
}
