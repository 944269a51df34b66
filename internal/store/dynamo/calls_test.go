package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// over returns a store on a server that is made of one function.
func over(answer transport) *dynamo.Store {
	client := dynamotest.NewClient("http://127.0.0.1:1", quick, func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: answer} })
	return &dynamo.Store{Client: client, Table: "table"}
}

func say(status int, body string) transport {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
}

func fault(status int, code string) transport {
	return say(status, `{"__type":"com.amazonaws.dynamodb.v20120810#`+code+`","message":"no"}`)
}

func fail(err error) transport {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// cut answers with a body that ends too early.
func cut(req *http.Request) (*http.Response, error) {
	answer, err := say(200, `{"Item":{`)(req)
	answer.Body = io.NopCloser(io.MultiReader(answer.Body, broken{}))
	return answer, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// hang answers when its caller has gone.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// stall answers, and its body comes to no end before its caller has gone.
func stall(req *http.Request) (*http.Response, error) {
	answer, err := say(200, "")(req)
	answer.Body = io.NopCloser(stalled{req.Context()})
	return answer, err
}

type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func calls(s *dynamo.Store) map[string]func(context.Context) error {
	rec := func() store.Record { return &store.Message{Thing: "A::1", ID: "1"} }
	return map[string]func(context.Context) error{
		"Get":    func(ctx context.Context) error { return s.Get(ctx, rec()) },
		"Put":    func(ctx context.Context) error { return s.Put(ctx, rec()) },
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, rec()) },
		"Due":    func(ctx context.Context) error { _, err := s.Due(ctx, "0", time.Now(), 1); return err },
	}
}

// Trouble that passes is told from trouble that stays.
func TestErrors(t *testing.T) {
	tests := []struct {
		name        string
		answer      transport
		unavailable bool
	}{
		{"throughput exceeded", fault(400, "ProvisionedThroughputExceededException"), true},
		{"throttled", fault(400, "ThrottlingException"), true},
		{"request limit", fault(400, "RequestLimitExceeded"), true},
		{"internal error", fault(500, "InternalServerError"), true},
		{"503 of a proxy", say(503, "<html>"), true},
		{"connection refused", fail(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), true},
		{"no such host", fail(&net.DNSError{Err: "no such host", IsNotFound: true}), true},
		{"connection reset", fail(errors.New("read: connection reset by peer")), true},
		{"timeout of the client", fail(context.DeadlineExceeded), true},
		{"answer cut off", cut, true},
		{"no such table", fault(400, "ResourceNotFoundException"), false},
		{"denied", fault(400, "AccessDeniedException"), false},
		{"invalid", fault(400, "ValidationException"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, call := range calls(over(tt.answer)) {
				err := call(t.Context())
				if err == nil || errors.Is(err, store.ErrUnavailable) != tt.unavailable || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
					t.Errorf("%s = %v, want an error, ErrUnavailable: %v", name, err, tt.unavailable)
				}
			}
		})
	}
}

func TestContextEnds(t *testing.T) {
	for name, call := range calls(over(hang)) {
		testContextEnds(t, name, call)
	}
	for name, call := range calls(over(stall)) {
		testContextEnds(t, name+" with half an answer", call)
	}
}

func testContextEnds(t *testing.T, name string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s past its deadline = %v, want DeadlineExceeded and ErrUnavailable", name, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s, cancelled = %v, want Canceled alone", name, err)
	}
}

// client notes what it is asked; Query answers with pages.
type client struct {
	gets    []*dynamodb.GetItemInput
	puts    []*dynamodb.PutItemInput
	deletes []*dynamodb.DeleteItemInput
	queries []*dynamodb.QueryInput
	pages   [][]string
}

func (c *client) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	c.gets = append(c.gets, in)
	return &dynamodb.GetItemOutput{}, nil
}

func (c *client) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	c.puts = append(c.puts, in)
	return &dynamodb.PutItemOutput{}, nil
}

func (c *client) DeleteItem(_ context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	c.deletes = append(c.deletes, in)
	return &dynamodb.DeleteItemOutput{}, nil
}

func (c *client) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	c.queries = append(c.queries, in)
	out := new(dynamodb.QueryOutput)
	for _, thing := range c.pages[0] {
		out.Items = append(out.Items, map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "D#" + thing}})
	}
	if c.pages = c.pages[1:]; len(c.pages) > 0 {
		out.LastEvaluatedKey = map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(len(c.queries))}}
	}
	return out, nil
}

// A page of an index may be empty although more follow.
func TestDuePages(t *testing.T) {
	tests := []struct {
		name    string
		pages   [][]string
		limit   int
		want    []string
		queries int
	}{
		{"one page", [][]string{{"a", "b"}}, 10, []string{"a", "b"}, 1},
		{"an empty one between", [][]string{{"a"}, {}, {"b"}}, 10, []string{"a", "b"}, 3},
		{"no more than are wanted", [][]string{{"a"}, {"b", "c"}, {"d"}}, 2, []string{"a", "b"}, 2},
		{"none are wanted", [][]string{{"a"}}, 0, nil, 0},
		{"nothing is due", [][]string{{}}, 10, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &client{pages: tt.pages}
			s := &dynamo.Store{Client: c, Table: "table"}
			got, err := s.Due(t.Context(), "0", time.Now(), tt.limit)
			if err != nil || !slices.Equal(got, tt.want) || len(c.queries) != tt.queries {
				t.Errorf("Due() = %v, %v with %d queries, want %v with %d", got, err, len(c.queries), tt.want, tt.queries)
			}
			for i, q := range c.queries[min(1, len(c.queries)):] {
				if from, _ := q.ExclusiveStartKey["pk"].(*types.AttributeValueMemberS); from == nil || from.Value != fmt.Sprint(i+1) {
					t.Errorf("query %d starts at %v, want the end of the one before", i+2, from)
				}
			}
		})
	}
}

// What costs and what protects: one request each, strong reads, conditional writes.
func TestRequests(t *testing.T) {
	c := new(client)
	s := &dynamo.Store{Client: c, Table: "table"}
	rec := &store.Registration{Thing: "A::1"}
	if err := s.Get(t.Context(), rec); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get() = %v, want ErrNotFound", err)
	}
	if err := errors.Join(s.Put(t.Context(), rec), s.Delete(t.Context(), rec)); err != nil {
		t.Fatal(err)
	}
	if len(c.gets) != 1 || len(c.puts) != 1 || len(c.deletes) != 1 || len(c.queries) != 0 {
		t.Fatalf("%d gets, %d puts, %d deletes, %d queries, want one each and no query", len(c.gets), len(c.puts), len(c.deletes), len(c.queries))
	}
	if strong := c.gets[0].ConsistentRead; strong == nil || !*strong {
		t.Error("a read is not strongly consistent")
	}
	if c.puts[0].ConditionExpression == nil || c.deletes[0].ConditionExpression == nil {
		t.Error("a write has no condition")
	}
}
