package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/web"
)

// do sends one request through what every function puts around its routes.
func do(t *testing.T, o web.Options, r *http.Request) *http.Response {
	t.Helper()
	return handle(t, routes(), o, r)
}

func handle(t *testing.T, h http.Handler, o web.Options, r *http.Request) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	web.Wrap(h, o).ServeHTTP(w, r)
	return w.Result()
}

func routes() http.Handler {
	m := new(web.Mux)
	m.Handle("POST /v1/echo", web.Func(func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Slot  string `json:"slot"`
			Count int    `json:"count"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return err
		}
		return web.WriteJSON(w, http.StatusOK, in)
	}))
	m.Handle("GET /fault", web.Func(func(http.ResponseWriter, *http.Request) error {
		return errors.New("connecting to 10.0.0.1: canary-secret")
	}))
	m.Handle("GET /panic", web.Func(func(http.ResponseWriter, *http.Request) error { panic("canary-secret") }))
	m.Handle("GET /busy", web.Func(func(http.ResponseWriter, *http.Request) error {
		return web.Unavailable("Amazon can't be reached", 1500*time.Millisecond)
	}))
	m.Handle("GET /private", web.Func(func(http.ResponseWriter, *http.Request) error { return web.Unauthorized() }))
	return m
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/echo", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field"`
}

func readProblem(t *testing.T, res *http.Response) problem {
	t.Helper()
	var p problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		t.Fatalf("body is no JSON: %v", err)
	}
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}
	if p.Status != res.StatusCode {
		t.Errorf("status member = %d, status = %d", p.Status, res.StatusCode)
	}
	return p
}

func TestProblems(t *testing.T) {
	noType := post("{}")
	noType.Header.Del("Content-Type")
	form := post("slot=x")
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	charset := post("")
	charset.Header.Set("Content-Type", "application/json; charset=utf-8")
	get := func(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }
	for _, tt := range []struct {
		name    string
		request *http.Request
		status  int
		code    string
		field   string
	}{
		{"no content type", noType, 415, "not_json", ""},
		{"form", form, 415, "not_json", ""},
		{"empty body", charset, 400, "bad_body", ""},
		{"array", post("[]"), 400, "bad_body", ""},
		{"null", post("null"), 400, "bad_body", ""},
		{"truncated", post(`{"slot":`), 400, "bad_body", ""},
		{"two values", post(`{}{}`), 400, "bad_body", ""},
		{"not UTF-8", post("{\"slot\":\"\xff\"}"), 400, "bad_body", ""},
		{"a member twice", post(`{"slot":"x","slot":"y"}`), 400, "bad_body", ""},
		{"a member twice, once escaped", post(`{"slot":"x","sl\u006ft":"y"}`), 400, "bad_body", ""},
		{"wrong type", post(`{"slot":7}`), 400, "bad_field", "slot"},
		{"fraction", post(`{"count":1.5}`), 400, "bad_field", "count"},
		{"over 64 KiB", post(`{"slot":"` + strings.Repeat("x", 64<<10) + `"}`), 413, "too_large", ""},
		{"unknown path", get("/v2/echo"), 404, "not_found", ""},
		{"wrong method", get("/v1/echo"), 405, "method_not_allowed", ""},
		{"our fault", get("/fault"), 500, "internal", ""},
		{"panic", get("/panic"), 500, "internal", ""},
		{"busy", get("/busy"), 503, "unavailable", ""},
		{"private", get("/private"), 401, "unauthorized", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := do(t, web.Options{}, tt.request)
			p := readProblem(t, res)
			if p.Status != tt.status || p.Code != tt.code || p.Field != tt.field {
				t.Errorf("problem = %+v, want %d %s %s", p, tt.status, tt.code, tt.field)
			}
			if p.Detail == "" || strings.Contains(p.Detail, "canary") {
				t.Errorf("detail = %q, want a sentence that gives nothing away", p.Detail)
			}
		})
	}
}

func TestProblemHeaders(t *testing.T) {
	get := func(path string) *http.Response {
		return do(t, web.Options{}, httptest.NewRequest(http.MethodGet, path, nil))
	}
	if got := get("/busy").Header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After = %q, want 2 (rounded up)", got)
	}
	if got := get("/private").Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate = %q", got)
	}
	if got := get("/v1/echo").Header.Get("Allow"); got != "POST" {
		t.Errorf("Allow = %q, want POST", got)
	}
	if got := get("/fault").Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy = %q", got)
	}
}

// The address that a redirect of ours repeats may hold a code.
func TestUncleanPath(t *testing.T) {
	res := do(t, web.Options{}, httptest.NewRequest(http.MethodGet, "//v1/../private?code=c", nil))
	if h := res.Header; res.StatusCode != http.StatusTemporaryRedirect || h.Get("Location") != "/private?code=c" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("answer = %d %v, want a redirect that nobody keeps", res.StatusCode, h)
	}
}

func TestReadJSONIgnoresWhatItDoesNotKnow(t *testing.T) {
	for _, body := range []string{
		`{"slot":"filter","firmware":"2.1"}`,
		`{"slot":"filter","Slot":"other","ſlot":"long s"}`,
		`{"SLOT":"other","slot":"filter"}`,
	} {
		res := do(t, web.Options{}, post(body))
		answer, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || !strings.Contains(string(answer), `"slot":"filter"`) {
			t.Errorf("answer to %s = %d %q, %v", body, res.StatusCode, answer, err)
		}
	}
}

func TestReadJSONSaysWhatAMemberMustBe(t *testing.T) {
	for body, want := range map[string]string{
		`{"slot":[]}`:   "slot must be a string",
		`{"count":1.5}`: "count must be a whole number",
	} {
		if p := readProblem(t, do(t, web.Options{}, post(body))); p.Detail != want {
			t.Errorf("detail of %s = %q, want %q", body, p.Detail, want)
		}
	}
}

func TestThrottleIsByAddress(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	h := web.Wrap(routes(), web.Options{Throttled: []string{"POST /v1/echo"}, Now: func() time.Time { return now }})
	status := func(address string) int {
		r := post("{}")
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return w.Code
	}
	for i := range 100 {
		if got := status("192.0.2.1:" + strconv.Itoa(1000+i)); got != 200 {
			t.Fatalf("call %d = %d, want the burst of 100 to pass", i, got)
		}
	}
	if got := status("192.0.2.1:9"); got != 429 {
		t.Errorf("call 101 = %d, want 429", got)
	}
	if got := status("192.0.2.2:9"); got != 200 {
		t.Errorf("another address = %d, want 200", got)
	}
	now = now.Add(time.Second)
	for i := range 20 {
		if got := status("192.0.2.1:9"); got != 200 {
			t.Fatalf("a second later, call %d = %d, want 20 to pass", i, got)
		}
	}
	if got := status("192.0.2.1:9"); got != 429 {
		t.Errorf("call 21 = %d, want 429", got)
	}
}

// A line of IPv6 has a whole /64, so that counts as one address.
func TestThrottleCountsIPv6Networks(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	h := web.Wrap(routes(), web.Options{Throttled: []string{"POST /v1/echo"}, Now: func() time.Time { return now }})
	status := func(address string) int {
		r := post("{}")
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 100 { // with port as a server has it, and alone as API Gateway has it
		address := "2001:db8:0:1::" + strconv.Itoa(i+1)
		if i%2 == 0 {
			address = "[" + address + "]:443"
		}
		if got := status(address); got != 200 {
			t.Fatalf("call %d = %d, want the burst of 100 to pass", i, got)
		}
		_ = status("::ffff:192.0.2.1")
	}
	for address, want := range map[string]int{
		"2001:db8:0:1:ffff:ffff:ffff:ffff": 429, "2001:db8:0:2::1": 200, "[fe80::1%eth0]:1": 200,
		"192.0.2.1:9": 429, "::ffff:192.0.2.2": 200, "no address": 200,
	} {
		if got := status(address); got != want {
			t.Errorf("%s = %d, want %d", address, got, want)
		}
	}
}

// A caller that hangs up is no fault of ours.
func TestCallerHangsUp(t *testing.T) {
	var logged strings.Builder
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelInfo + 1})))
	defer slog.SetDefault(old)
	cancelled := web.Func(func(http.ResponseWriter, *http.Request) error {
		return fmt.Errorf("reading registration: %w", context.Canceled)
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if got := handle(t, cancelled, web.Options{}, r.WithContext(ctx)).StatusCode; got == 500 || logged.Len() > 0 {
		t.Errorf("status = %d, logged %q; want no fault", got, &logged)
	}
	if got := handle(t, cancelled, web.Options{}, r).StatusCode; got != 500 || !strings.Contains(logged.String(), "ERROR") {
		t.Errorf("the caller is there: status = %d, logged %q; want a fault", got, &logged)
	}
}

func TestCORS(t *testing.T) {
	o := web.Options{AllowedOrigins: []string{"https://shop.example"}}
	preflight := func(origin string) *http.Response {
		r := httptest.NewRequest(http.MethodOptions, "/v1/echo", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		return do(t, o, r)
	}
	res := preflight("https://shop.example")
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("allowed preflight = %d %v", res.StatusCode, res.Header)
	}
	for _, origin := range []string{"https://evil.example", "https://shop.example.evil.example", "null", ""} {
		if got := preflight(origin).Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("origin %q is allowed as %q", origin, got)
		}
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "Bearer  abc ": "abc",
		"": "", "Basic abc": "", "Bearer": "", "abc": "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		if got := web.Bearer(r); got != want {
			t.Errorf("Bearer(%q) = %q, want %q", header, got, want)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{"slot":"filter"}`, `{`, `[]`, "", "{\"a\":\xff}", `{"slot":{"slot":1}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in struct {
			Slot string `json:"slot"`
			Deep struct{ N []int }
		}
		err := web.DecodeJSON(body, &in)
		var p *web.Problem
		if err != nil && (!errors.As(err, &p) || p.Status != 400 || p.Detail == "") {
			t.Errorf("DecodeJSON(%q) = %v, want a 400", body, err)
		}
	})
}
