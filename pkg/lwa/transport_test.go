package lwa_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

const appstoreURL = "https://developer.amazon.com/api/appstore/v1/applications"

// api stands in for an API of Amazon's: it takes one token, and refuses all others.
type api struct {
	good    string
	status  int
	header  http.Header
	refusal string

	mu     sync.Mutex
	tokens []string
	bodies []string
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	token := r.Header.Get("Authorization") + r.Header.Get("x-amz-access-token")
	a.tokens, a.bodies = append(a.tokens, token), append(a.bodies, string(body))
	if strings.TrimPrefix(token, "Bearer ") != a.good {
		return response(r, a.status, a.header, strings.NewReader(a.refusal)), nil
	}
	return response(r, 200, nil, strings.NewReader("done")), nil
}

// transport is one whose source holds token 100 and gets number 1 next.
func (a *api) transport() (*lwa.Transport, *maker) {
	m := new(maker)
	s := m.source()
	s.Initial = numbered(100, time.Hour)
	return &lwa.Transport{Source: s, Base: a}, m
}

func do(t *testing.T, rt http.RoundTripper, r *http.Request) (int, string) {
	t.Helper()
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Request != r {
		t.Error("the answer is not to the caller's request")
	}
	return resp.StatusCode, string(body)
}

func request(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, appstoreURL, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTransportAddsTheToken(t *testing.T) {
	for header, want := range map[string]string{"": "Authorization: Bearer Atza|100", "x-amz-access-token": "X-Amz-Access-Token: Atza|100"} {
		var sent string
		rt, _ := new(api).transport()
		rt.Header = header
		rt.Base = roundTrip(func(r *http.Request) (*http.Response, error) {
			for name, values := range r.Header {
				sent += name + ": " + strings.Join(values, ",")
			}
			return response(r, 200, nil, strings.NewReader("done")), nil
		})
		r := request(t, nil)
		if status, _ := do(t, rt, r); status != 200 || sent != want {
			t.Errorf("%d, sent %q, want %q", status, sent, want)
		}
		if len(r.Header) != 0 {
			t.Errorf("the caller's request has %v now", r.Header)
		}
	}
}

// Every refusal of the catalogue that a new token may help against.
func TestTransportRenewsOnce(t *testing.T) {
	for name, a := range map[string]*api{
		"401":           {status: 401, refusal: "<html>"},
		"Appstore":      {status: 403, refusal: `{"message":"Request is not authorized."}`},
		"SP-API":        {status: 403, refusal: `{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":"The access token you provided has expired."}]}`},
		"SP-API, bad":   {status: 403, refusal: `{"errors":[{"details":"The access token you provided is revoked, malformed or invalid."}]}`},
		"DRS":           {status: 400, refusal: `{"message":"Invalid token"}`},
		"LWA's profile": {status: 400, refusal: `{"error":"invalid_token"}`},
		"DRS, plain":    {status: 400, refusal: "Invalid token."},
		"403":           {status: 403, refusal: `{"error": "invalid_token"}`},
		"403, escaped":  {status: 403, refusal: `{"body":"{\"error\":\"invalid_token\"}"}`},
		"XML":           {status: 400, refusal: "<Message>Invalid token</Message>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a.good = "Atza|1"
				rt, m := a.transport()
				status, body := do(t, rt, request(t, strings.NewReader("payload")))
				if status != 200 || body != "done" {
					t.Errorf("%d %s, want 200 done", status, body)
				}
				if fmt.Sprint(a.tokens) != "[Bearer Atza|100 Bearer Atza|1]" || fmt.Sprint(a.bodies) != "[payload payload]" {
					t.Errorf("sent %q with %q", a.tokens, a.bodies)
				}
				wantCalls(t, m, 1)
			})
		})
	}
}

func TestTransportLeavesOtherAnswersAlone(t *testing.T) {
	long := strings.Repeat("x", 10<<10) + "Request is not authorized."
	for name, a := range map[string]*api{
		"forbidden":           {status: 403, refusal: `{"message":"not yours"}`},
		"other scope, header": {status: 401, header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}}},
		"secret expired":      {status: 403, refusal: `{"errors":[{"message":"Access to requested resource is denied.","details":"The LWA secret token you provided has expired."}]}`},
		"secret expired, 401": {status: 401, refusal: "The LWA secret token you provided has expired."},
		"other scope, 401":    {status: 401, refusal: `{"error":"insufficient_scope","error_description":"The request requires higher privileges"}`},
		"bad request":         {status: 400, refusal: `{"message":"Invalid slot"}`},
		"about tokens, 400":   {status: 400, refusal: `{"message":"Invalid token count"}`},
		"another token, 400":  {status: 400, refusal: `{"message":"The nextToken is an invalid token."}`},
		"another token, 403":  {status: 403, refusal: `{"error":"csrf_invalid_token"}`},
		"longer code":         {status: 403, refusal: `{"error":"invalid_token_type"}`},
		"trouble":             {status: 503, refusal: "Request is not authorized."},
		"far behind":          {status: 403, refusal: long},
		"empty":               {status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			rt, m := a.transport()
			if status, body := do(t, rt, request(t, nil)); status != a.status || body != a.refusal {
				t.Errorf("%d with %d bytes, want %d with %d", status, len(body), a.status, len(a.refusal))
			}
			if len(a.tokens) != 1 {
				t.Errorf("sent %d times, want once", len(a.tokens))
			}
			wantCalls(t, m, 0)
		})
	}
}

// An API that refuses every token gets two requests, not a storm.
func TestTransportNeverLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{good: "none", status: 403, refusal: "Request is not authorized."}
		rt, m := a.transport()
		for i, sent := range []int{2, 3, 4} {
			if status, body := do(t, rt, request(t, nil)); status != 403 || body != a.refusal || len(a.tokens) != sent {
				t.Errorf("%d: %d %q after %d requests, want 403 after %d", i, status, body, len(a.tokens), sent)
			}
		}
		wantCalls(t, m, 1)
	})
}

func TestTransportRepeatsNoBodyThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{good: "Atza|1", status: 401}
		rt, m := a.transport()
		r := request(t, io.MultiReader(strings.NewReader("once"))) // a reader of which net/http knows nothing
		if status, _ := do(t, rt, r); status != 401 || len(a.bodies) != 1 {
			t.Errorf("%d after %d requests, want the refusal after 1", status, len(a.bodies))
		}
		if status, _ := do(t, rt, request(t, bytes.NewBufferString("next"))); status != 200 || a.tokens[1] != "Bearer Atza|1" {
			t.Errorf("the next request: %d with %s, want the new token", status, a.tokens[1])
		}
		wantCalls(t, m, 1)

		b := &api{good: "Atza|1", status: 401}
		rt, _ = b.transport()
		r = request(t, strings.NewReader("x"))
		r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
		if status, _ := do(t, rt, r); status != 401 || len(b.bodies) != 1 {
			t.Errorf("%d after %d requests, want the refusal after 1", status, len(b.bodies))
		}
	})
}

func TestTransportRenewsOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{good: "Atza|1", status: 401}
		rt, m := a.transport()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if status, _ := do(t, rt, request(t, strings.NewReader("x"))); status != 200 {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
		wantCalls(t, m, 1)
	})
}

// With the renewal failing, the API's answer is what the caller gets.
func TestTransportWithoutRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{status: 401, refusal: "expired"}
		rt, m := a.transport()
		m.failWith(&lwa.Error{Op: "refresh", StatusCode: 400, Code: lwa.InvalidGrant})
		if status, body := do(t, rt, request(t, nil)); status != 401 || body != "expired" {
			t.Errorf("%d %s, want the refusal", status, body)
		}
		_, err := rt.RoundTrip(request(t, nil))
		if !errors.Is(err, lwa.InvalidGrant) || strings.Contains(err.Error(), "Atz") {
			t.Errorf("error = %v, want invalid_grant", err)
		}
	})
}

func TestTransportSendsNoTokenElsewhere(t *testing.T) {
	for _, tt := range []struct {
		hops []string
		want string
	}{
		{[]string{"https://api.example.com/a", "https://api.example.com/b"}, "yes yes"},
		{[]string{"https://api.example.com/a", "https://evil.example/b"}, "yes no"},
		{[]string{"https://api.example.com/a", "https://evil.example/b", "https://api.example.com/c"}, "yes no no"},
		{[]string{"https://api.example.com/a", "https://api.example.com:444/b"}, "yes no"},
		{[]string{"https://localhost/a", "http://localhost/b"}, "yes no"},
		{[]string{"https://api.example.com/a", "https://API.example.com/b"}, "yes yes"},
	} {
		for _, header := range []string{"", "x-amz-access-token"} {
			rt, _ := new(api).transport()
			rt.Header = header
			var got []string
			rt.Base = roundTrip(func(r *http.Request) (*http.Response, error) {
				has := "no"
				if strings.Contains(fmt.Sprint(r.Header), "Atza") {
					has = "yes"
				}
				got = append(got, has)
				if len(got) == len(tt.hops) {
					return response(r, 200, nil, strings.NewReader("")), nil
				}
				return response(r, 307, http.Header{"Location": {tt.hops[len(got)]}}, strings.NewReader("")), nil
			})
			resp, err := (&http.Client{Transport: rt}).Get(tt.hops[0])
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%v: token sent %v, want %s", tt.hops, got, tt.want)
			}
		}
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestTransportSendsNothing(t *testing.T) {
	for name, change := range map[string]func(*lwa.Transport, *http.Request) *http.Request{
		"plain HTTP": func(_ *lwa.Transport, r *http.Request) *http.Request {
			r.URL.Scheme = "http"
			return r
		},
		"no source": func(rt *lwa.Transport, r *http.Request) *http.Request {
			rt.Source = nil
			return r
		},
		"given up": func(rt *lwa.Transport, r *http.Request) *http.Request {
			rt.Source = new(maker).source()
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			return r.WithContext(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := new(api)
				rt, _ := a.transport()
				body := &closing{Reader: strings.NewReader("x")}
				_, err := rt.RoundTrip(change(rt, request(t, body)))
				if err == nil || len(a.tokens) != 0 || !body.closed {
					t.Errorf("error %v, %d requests, body closed: %t; want an error, none, true", err, len(a.tokens), body.closed)
				}
				if name == "given up" && !errors.Is(err, context.Canceled) {
					t.Errorf("error = %v, want the context's", err)
				}
			})
		})
	}
	rt, _ := (&api{good: "Atza|100"}).transport()
	for _, host := range []string{"localhost", "127.0.0.1:8081", "[::1]:8081"} {
		r := request(t, nil)
		r.URL.Scheme, r.URL.Host = "http", host
		if status, _ := do(t, rt, r); status != 200 {
			t.Errorf("%s: %d, want 200: it is this machine", host, status)
		}
	}
}

// A body that was got to be sent again is closed, or not got where there is no new token.
func TestTransportClosesTheBodyOfTheRepeat(t *testing.T) {
	for name, fails := range map[string]bool{"renewed": false, "no new token": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &api{good: "Atza|1", status: 401}
				rt, m := a.transport()
				if fails {
					m.failWith(&lwa.Error{Op: "refresh", StatusCode: 503})
				}
				r := request(t, strings.NewReader("x"))
				var got []*closing
				r.GetBody = func() (io.ReadCloser, error) {
					got = append(got, &closing{Reader: strings.NewReader("x")})
					return got[len(got)-1], nil
				}
				_, _ = do(t, rt, r)
				for _, body := range got {
					if !body.closed {
						t.Error("the body is left open")
					}
				}
				if !fails && len(got) != 1 {
					t.Errorf("%d bodies got, want 1", len(got))
				}
			})
		})
	}
}

// A body that breaks off while it is looked at breaks off for the caller, too.
func TestTransportPassesABrokenBodyOn(t *testing.T) {
	reset := errors.New("connection reset")
	rt, _ := new(api).transport()
	rt.Base = roundTrip(func(r *http.Request) (*http.Response, error) {
		return response(r, 403, nil, failing{strings.NewReader("half"), reset}), nil
	})
	resp, err := rt.RoundTrip(request(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "half" || !errors.Is(err, reset) {
		t.Errorf("body = %q, %v, want half of it and the error", body, err)
	}
}

// A refusal that the caller never sees is closed, one that it does see is not.
func TestTransportClosesTheRefusal(t *testing.T) {
	for name, good := range map[string]string{"repeated": "Atza|1", "returned": "none"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &api{good: good, status: 401, refusal: strings.Repeat("x", 10<<10)}
				rt, _ := a.transport()
				var bodies []*closing
				rt.Base = roundTrip(func(r *http.Request) (*http.Response, error) {
					resp, err := a.RoundTrip(r)
					bodies = append(bodies, &closing{Reader: resp.Body})
					resp.Body = bodies[len(bodies)-1]
					return resp, err
				})
				resp, err := rt.RoundTrip(request(t, nil))
				if err != nil || len(bodies) != 2 || !bodies[0].closed || bodies[1].closed {
					t.Fatalf("%v, %d answers, the first closed: %t, the second: %t", err, len(bodies), bodies[0].closed, bodies[1].closed)
				}
				resp.Body.Close()
				if !bodies[1].closed {
					t.Error("closing the answer does not close its body")
				}
			})
		})
	}
}

type idle struct {
	roundTrip
	closed bool
}

func (i *idle) CloseIdleConnections() { i.closed = true }

// A program that ends closes its idle connections through its http.Client.
func TestTransportClosesIdleConnections(t *testing.T) {
	base := new(idle)
	(&http.Client{Transport: &lwa.Transport{Base: base}}).CloseIdleConnections()
	if !base.closed {
		t.Error("the connections stay open")
	}
	(&http.Client{Transport: &lwa.Transport{Base: roundTrip(nil)}}).CloseIdleConnections() // one that has none
}
