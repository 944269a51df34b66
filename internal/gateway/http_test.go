package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/gateway"
)

// do sends an HTTP API event to a handler.
func do(t testing.TB, h http.HandlerFunc, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	e.Version = "2.0"
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&gateway.Function{Name: "callback", HTTP: h}).Invoke(t.Context(), payload)
	if err != nil {
		t.Fatalf("Invoke() = %v, want an answer", err)
	}
	var response events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == 0 {
		t.Errorf("no statusCode: API Gateway would send the answer as it is: %s", answer)
	}
	return response
}

func event(method, path, query string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Headers: map[string]string{}}
	e.RequestContext.HTTP.Method = method
	e.RequestContext.HTTP.SourceIP = "203.0.113.7"
	e.RequestContext.DomainName = "api.example.com"
	return e
}

func TestRequest(t *testing.T) {
	e := event("POST", "/v1/pairings/0a1b", "code=a&code=b%2Cc&state=")
	e.QueryStringParameters = map[string]string{"code": "a,b,c", "state": ""}
	e.Headers = map[string]string{
		"host": "api.example.com", "authorization": "Bearer abc", "idempotency-key": "one, two,three",
		"Content-Type": "application/json", "content-length": "999", "user-agent": "a, b",
	}
	e.Cookies = []string{"a=1", "b=x,y"}
	e.Body = `{"slot":"filter"}`
	do(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var cookies []string
		for _, c := range r.Cookies() {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
		got := map[string]any{
			"method": r.Method, "path": r.URL.Path, "host": r.Host, "address": r.RemoteAddr, "uri": r.RequestURI, "body": string(body),
			"length": r.ContentLength, "code": r.URL.Query()["code"], "cookies": cookies, "key": r.Header.Values("Idempotency-Key"),
			"authorization": r.Header.Get("Authorization"), "type": r.Header.Get("Content-Type"), "agent": r.UserAgent(), "length header": r.Header.Get("Content-Length"),
		}
		want := map[string]any{
			"method": "POST", "path": "/v1/pairings/0a1b", "host": "api.example.com", "address": "203.0.113.7",
			"uri": "/v1/pairings/0a1b?code=a&code=b%2Cc&state=", "body": `{"slot":"filter"}`, "length": int64(17),
			"code": []string{"a", "b,c"}, "cookies": []string{"a=1", "b=x,y"}, "key": []string{"one, two,three"},
			"authorization": "Bearer abc", "type": "application/json", "agent": "a, b", "length header": "",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request differs (-want +got):\n%s", diff)
		}
	}, e)
}

func TestBody(t *testing.T) {
	binary := []byte{0, 0xff, 0xfe, '\n'}
	e := event("POST", "/", "")
	e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(binary), true
	response := do(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, binary) {
			t.Errorf("body = %q, %v", got, err)
		}
		_, _ = w.Write(got)
	}, e)
	got, err := base64.StdEncoding.DecodeString(response.Body)
	if err != nil || !response.IsBase64Encoded || !bytes.Equal(got, binary) {
		t.Errorf("answer = %+v, want the bytes in base64", response)
	}
}

func TestHost(t *testing.T) {
	for _, tt := range []struct{ name, domain, header, want string }{
		{"API Gateway", "api.example.com", "api.example.com", "api.example.com"},
		{"no header", "api.example.com", "", "api.example.com"},
		{"another's header", "api.example.com", "evil.example", "api.example.com"},
		{"another's header with port", "api.example.com", "evil.example:443", "api.example.com"},
		{"sam local", "localhost", "localhost:3000", "localhost:3000"},
		{"no domain", "", "127.0.0.1:3000", "127.0.0.1:3000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := event("GET", "/", "")
			e.RequestContext.DomainName = tt.domain
			if tt.header != "" {
				e.Headers["Host"] = tt.header
			}
			do(t, func(_ http.ResponseWriter, r *http.Request) {
				if r.Host != tt.want {
					t.Errorf("Host = %q, want %q", r.Host, tt.want)
				}
			}, e)
		})
	}
}

func TestCookieHeader(t *testing.T) {
	e := event("GET", "/", "")
	e.Headers["Cookie"] = "a=1; b=x,y"
	do(t, func(_ http.ResponseWriter, r *http.Request) {
		if got := r.Header.Values("Cookie"); len(got) != 1 || got[0] != "a=1; b=x,y" {
			t.Errorf("Cookie = %q", got)
		}
	}, e)
}

// sam local gives the path unescaped, API Gateway as it came.
func TestPath(t *testing.T) {
	for raw, want := range map[string]string{
		"": "/", "/": "/", "login": "/login", "/v1/a b": "/v1/a b", "/v1/a%20b": "/v1/a b", "/100%": "/100%", "/a%zz": "/a%zz",
		"/what?": "/what?", "/#x": "/#x", "/ä": "/ä", "//x": "//x",
	} {
		do(t, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != want || r.URL.RawQuery != "q=1" {
				t.Errorf("path of %q = %q ? %q, want %q", raw, r.URL.Path, r.URL.RawQuery, want)
			}
		}, event("GET", raw, "q=1"))
	}
}

func TestAnswer(t *testing.T) {
	response := do(t, func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", HttpOnly: true})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.Header().Add("Vary", "Origin")
		w.Header().Add("Vary", "Cookie")
		w.Header().Set("Location", "https://www.amazon.com/ap/oa?a=1,2")
		w.WriteHeader(http.StatusFound)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("<a>ü</a>"))
	}, event("GET", "/login", ""))
	want := events.APIGatewayV2HTTPResponse{
		StatusCode: 302,
		Headers:    map[string]string{"Vary": "Origin,Cookie", "Location": "https://www.amazon.com/ap/oa?a=1,2", "Content-Type": "text/html; charset=utf-8"},
		Body:       "<a>ü</a>",
		Cookies:    []string{"a=1; HttpOnly", "b=2"},
	}
	if diff := cmp.Diff(want, response); diff != "" {
		t.Errorf("answer differs (-want +got):\n%s", diff)
	}
}

func TestAnswerWithoutBody(t *testing.T) {
	nothing := do(t, func(http.ResponseWriter, *http.Request) {}, event("GET", "/", ""))
	if nothing.StatusCode != 200 || nothing.Body != "" {
		t.Errorf("a handler that writes nothing = %+v, want 200", nothing)
	}
	noContent := do(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		_, _ = w.Write([]byte("x"))
	}, event("DELETE", "/v1/registration", ""))
	if noContent.StatusCode != 204 || noContent.Body != "" {
		t.Errorf("204 = %+v, want no body", noContent)
	}
	head := do(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, event("HEAD", "/", ""))
	if head.StatusCode != 200 || head.Body != "" {
		t.Errorf("HEAD = %+v, want no body", head)
	}
}

// What can't be a request is refused before httpadapter sees it, which would log it.
func TestMalformedRequest(t *testing.T) {
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(before) })
	broken := event("POST", "/", "")
	broken.Body, broken.IsBase64Encoded = "canary!", true
	domain := event("GET", "/", "")
	domain.RequestContext.DomainName = "a canary\x7f"
	for name, e := range map[string]events.APIGatewayV2HTTPRequest{
		"query":  event("GET", "/callback", "code=canary\x7f"),
		"method": event("GET canary", "/", ""),
		"body":   broken,
		"domain": domain,
	} {
		t.Run(name, func(t *testing.T) {
			response := do(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }, e)
			var p struct{ Code, Detail string }
			if err := json.Unmarshal([]byte(response.Body), &p); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != 400 || response.Headers["Content-Type"] != "application/problem+json" || p.Code == "" || p.Detail == "" {
				t.Errorf("answer = %+v, want a 400 problem", response)
			}
			if strings.Contains(response.Body+logged.String(), "canary") {
				t.Errorf("the request is repeated: %s; log %s", response.Body, logged.String())
			}
		})
	}
}

func FuzzInvoke(f *testing.F) {
	for _, seed := range []string{rule, queue, topic, schedule, request, "", "{", `{"Records":[{}]}`} {
		f.Add([]byte(seed))
	}
	f.Add([]byte(`{"version":"2.0","rawPath":"/%zz","rawQueryString":"a=%\u007f","cookies":["a","b"],"headers":{"HOST":"x"},` +
		`"requestContext":{"http":{"method":"p\nq"}},"body":"/w==","isBase64Encoded":true}`))
	log.SetOutput(io.Discard)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var k taken
		function := k.function()
		function.Queue = func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			k.by = "queue"
			return events.SQSEventResponse{}, nil
		}
		function.Topic = func(context.Context, events.SNSEvent) error { k.by = "topic"; return nil }
		answer, err := function.Invoke(t.Context(), payload)
		var refused *gateway.EventError
		switch {
		case err != nil && (!errors.As(err, &refused) || k.by != ""):
			t.Errorf("Invoke(%q) = %v after %q took it", payload, err, k.by)
		case err == nil && !json.Valid(answer):
			t.Errorf("Invoke(%q) = %q, want JSON", payload, answer)
		}
	})
}
