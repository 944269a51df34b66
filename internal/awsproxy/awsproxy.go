// Package awsproxy stands between AWS SDK clients and what plays AWS in tests, such as
// DynamoDB Local and moto. It writes down who called which action on which resource, as
// IAM names them, forwards each call unchanged, and makes calls fail as [Fault] rules say.
//
// A caller is told by its access key, which nobody checks on the way: give each function
// one of its own. DynamoDB Local must then run with -sharedDb, or each has its own tables.
//
// A [Proxy] is an [http.Handler] for a test's own process. In a process of its own it is
// steered by HTTP, for which [Client] is the other end:
//
//	GET, DELETE        /_awsproxy/calls    what was called since the last DELETE
//	GET, POST, DELETE  /_awsproxy/faults   the rules in force; POST adds one
//
// It is for tests: whoever reaches it may steer it.
package awsproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
)

const (
	maxRequest = 2 << 20  // bytes; SQS takes 1 MiB, which JSON may make longer
	maxError   = 64 << 10 // bytes of an error that are looked at for its code
	maxCalls   = 200_000
)

// Proxy records, forwards and disturbs calls of AWS. Upstreams is required.
type Proxy struct {
	// Upstreams are where the calls go, by the IAM prefix of their service: dynamodb, sqs,
	// secretsmanager, iot, events. "" is for all others.
	Upstreams map[string]*url.URL
	Account   string            // in the ARNs; "": 123456789012
	Transport http.RoundTripper // to the upstreams; nil: the network

	once    sync.Once
	forward *httputil.ReverseProxy

	mu     sync.Mutex
	calls  []Call
	lost   int // calls beyond maxCalls
	faults []*rule
}

// Call is one attempt to call AWS.
type Call struct {
	At       time.Time `json:"at"`
	Caller   string    `json:"caller"`             // access key ID
	Action   string    `json:"action"`             // as in a policy: sqs:SendMessage; "" where it can't be told
	API      string    `json:"api"`                // as it was called: SendMessageBatch
	Resource string    `json:"resource,omitempty"` // ARN; "" where none, or more than one, is named
	Body     string    `json:"body,omitempty"`     // of the request; "" for DynamoDB
	// Status is what the upstream, or a fault in its place, answered; 0 is none.
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"` // code of an answer that is an error
	Fault  Kind   `json:"fault,omitempty"` // that struck
}

// Calls returns what was called since the last Clear, in the order in which the calls ended,
// and how many are missing because there were too many.
func (p *Proxy) Calls() (calls []Call, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call{}, p.calls...), p.lost
}

// Clear forgets the calls.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.lost = nil, 0
}

func (p *Proxy) note(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) >= maxCalls {
		p.lost++
		return
	}
	p.calls = append(p.calls, *c)
}

// ServeHTTP implements [http.Handler].
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.control(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "awsproxy: the request can't be read, or is too large", http.StatusRequestEntityTooLarge)
		return
	}
	s, c := read(r, body, p.account())
	defer func() { p.note(c) }() // also where a fault cuts the connection
	fault := p.strikes(s, c)
	c.Fault = fault.Kind
	switch fault.Kind {
	case "", DropAfter:
	case Delay:
		if backoff.Sleep(r.Context(), time.Duration(fault.DelayMS)*time.Millisecond) != nil {
			return
		}
	case DropBefore:
		panic(http.ErrAbortHandler)
	default:
		a := s.answer(fault.Kind)
		c.Status, c.Error = a.status, shortCode(a.code)
		a.write(w, s)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	p.once.Do(p.prepare)
	p.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), underWay{}, &exchange{s, c})))
}

func (p *Proxy) account() string {
	if p.Account == "" {
		return "123456789012"
	}
	return p.Account
}

// exchange is what the forwarding of a call has to know.
type exchange struct {
	service *service
	call    *Call
}

type underWay struct{} // the context key of an *exchange

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(underWay{}).(*exchange) }

func (p *Proxy) prepare() {
	transport := p.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.Proxy, t.DisableCompression = nil, true // as it was asked
		transport = t
	}
	p.forward = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.upstream(exchangeOf(r.In.Context()).service.prefix))
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			c := exchangeOf(r.Request.Context()).call
			c.Status = r.StatusCode
			if r.StatusCode >= http.StatusBadRequest {
				c.Error = codeOf(r)
			}
			if c.Fault == DropAfter {
				_ = r.Body.Close() // it is thrown away
				panic(http.ErrAbortHandler)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			c := exchangeOf(r.Context()).call
			c.Status, c.Error = http.StatusBadGateway, err.Error()
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

func (p *Proxy) upstream(prefix string) *url.URL {
	if u := p.Upstreams[prefix]; u != nil {
		return u
	}
	if u := p.Upstreams[""]; u != nil {
		return u
	}
	return new(url.URL) // which the transport refuses
}

// codeOf reads the code of an error, and puts its body back.
func codeOf(r *http.Response) string {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxError))
	if err != nil {
		return "unreadable"
	}
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), rest), rest}
	var in struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(text, &in) // IoT names it in a header
	if in.Type == "" {
		in.Type = r.Header.Get("X-Amzn-ErrorType")
	}
	return shortCode(in.Type)
}

// String is for messages of tests.
func (c Call) String() string {
	ended := strconv.Itoa(c.Status)
	if c.Error != "" {
		ended += " " + c.Error
	}
	if c.Fault != "" {
		ended += fmt.Sprintf(" (%s)", c.Fault)
	}
	return fmt.Sprintf("%s: %s on %s: %s", c.Caller, c.Action, c.Resource, ended)
}
