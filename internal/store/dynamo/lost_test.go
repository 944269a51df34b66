package dynamo_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
)

// lossy loses the answers to the first requests of an operation, once the server has
// done what they ask.
type lossy struct {
	mu    sync.Mutex
	op    string
	lose  int
	after func() // called when an answer has been lost
	sent  int
}

func (l *lossy) set(op string, lose int, after func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.op, l.lose, l.after, l.sent = op, lose, after, 0
}

func (l *lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || !strings.HasSuffix(req.Header.Get("X-Amz-Target"), "."+l.op) {
		return answer, err
	}
	l.sent++
	if l.sent > l.lose {
		return answer, nil
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if l.after != nil {
		l.after()
	}
	return nil, errors.New("connection reset by peer")
}

func quick(o *dynamodb.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// lost returns a store that loses answers, and one of somebody else on the same table.
func lost(t *testing.T) (*lossy, *dynamo.Store, *dynamo.Store) {
	t.Helper()
	url := dynamotest.URL(t)
	l := new(lossy)
	others := dynamotest.NewClient(url)
	table := dynamotest.Table(t, others)
	ours := dynamotest.NewClient(url, quick, func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: l} })
	return l, &dynamo.Store{Client: ours, Table: table}, &dynamo.Store{Client: others, Table: table}
}

// Who writes is not told of a conflict with itself.
func TestLostReply(t *testing.T) {
	l, s, _ := lost(t)
	rec := &store.Message{Thing: "A::1", ID: "1", Slot: "one"}

	l.set("PutItem", 1, nil)
	if err := s.Put(t.Context(), rec); err != nil || rec.Version != 1 || l.sent != 2 {
		t.Fatalf("creating with a lost reply = %v at version %d, sent %d times, want nil at 1, sent twice", err, rec.Version, l.sent)
	}
	rec.Slot = "two"
	l.set("PutItem", 2, nil)
	if err := s.Put(t.Context(), rec); err != nil || rec.Version != 2 || l.sent != 3 {
		t.Fatalf("changing with two lost replies = %v at version %d, sent %d times, want nil at 2, sent 3 times", err, rec.Version, l.sent)
	}
	got := &store.Message{Thing: "A::1", ID: "1"}
	if err := s.Get(t.Context(), got); err != nil || got.Slot != "two" || got.Version != 2 {
		t.Errorf("Get() = %+v, %v, want what was written last", got, err)
	}
	l.set("DeleteItem", 1, nil)
	if err := s.Delete(t.Context(), rec); err != nil || l.sent != 2 {
		t.Errorf("deleting with a lost reply = %v, sent %d times, want nil, sent twice", err, l.sent)
	}
	l.set("", 0, nil)
	if err := s.Delete(t.Context(), rec); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deleting again = %v, want ErrConflict", err)
	}
}

// A conflict with somebody else stays one, also where a reply was lost.
func TestLostReplyAndConflict(t *testing.T) {
	l, s, other := lost(t)
	theirs := &store.Message{Thing: "A::1", ID: "1", Slot: "theirs"}
	if err := other.Put(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	l.set("PutItem", 1, nil)
	ours := &store.Message{Thing: "A::1", ID: "1", Slot: "ours"}
	if err := s.Put(t.Context(), ours); !errors.Is(err, store.ErrConflict) || ours.Version != 0 || l.sent != 2 {
		t.Errorf("creating what is there, with a lost reply = %v at version %d", err, ours.Version)
	}
	ours.Version = 1
	l.set("PutItem", 1, func() { // ours is written, and changed again before we ask
		if err := other.Put(t.Context(), &store.Message{Meta: store.Meta{Version: 2}, Thing: "A::1", ID: "1", Slot: "theirs"}); err != nil {
			t.Error(err)
		}
	})
	if err := s.Put(t.Context(), ours); !errors.Is(err, store.ErrConflict) {
		t.Errorf("changing what was changed since = %v, want ErrConflict", err)
	}
	l.set("DeleteItem", 1, nil)
	ours.Version = 1
	if err := s.Delete(t.Context(), ours); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deleting what was changed = %v, want ErrConflict", err)
	}
}

// When no reply comes, nobody knows: the caller may try again, and then learns.
func TestAllRepliesLost(t *testing.T) {
	l, s, _ := lost(t)
	rec := &store.Message{Thing: "A::1", ID: "1"}
	l.set("PutItem", 100, nil)
	if err := s.Put(t.Context(), rec); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) || rec.Version != 0 {
		t.Errorf("Put() = %v at version %d, want ErrUnavailable at 0", err, rec.Version)
	}
	l.set("GetItem", 100, nil)
	if err := s.Get(t.Context(), rec); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get() = %v, want ErrUnavailable", err)
	}
}
