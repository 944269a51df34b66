package lwatest_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const site = "http://localhost:9000"

func TestSDKIsServed(t *testing.T) {
	srv := newServer(t, nil)
	for _, path := range []string{"/sdk/login1.js", "/sdk/na/login1.js"} {
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if media := rec.Header().Get("Content-Type"); rec.Code != 200 || !strings.HasPrefix(media, "text/javascript") ||
			!strings.Contains(rec.Body.String(), "onAmazonLoginReady") {
			t.Errorf("GET %s = %d %q, %d bytes, want the SDK", path, rec.Code, media, rec.Body.Len())
		}
	}
	if srv.Calls(lwatest.RouteSDK, "") != 2 {
		t.Error("the journal does not know the SDK")
	}
}

// window asks for consent as a window of the SDK does, and returns the status, the origin
// that is told, and what it is told.
func window(t *testing.T, srv http.Handler, change url.Values) (status int, origin string, answer map[string]string) {
	t.Helper()
	q := url.Values{
		"client_id": {clientID}, "redirect_uri": {redirectURL}, "response_type": {"code"}, "scope": {"dash:replenish"},
		"scope_data": {dashData}, "state": {"s1"}, "sdk_origin": {site},
	}
	for name, values := range change {
		q[name] = values
	}
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/ap/oa?"+q.Encode(), nil))
	if to := rec.Header().Get("Location"); to != "" {
		t.Errorf("the window was sent to %s", to)
	}
	found := regexp.MustCompile(`data-origin="([^"]*)" data-answer="([^"]*)"`).FindStringSubmatch(rec.Body.String())
	if found == nil {
		return rec.Code, "", nil
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(found[2])), &answer); err != nil {
		t.Fatal(err)
	}
	return rec.Code, html.UnescapeString(found[1]), answer
}

func TestWindowOfTheSDK(t *testing.T) {
	allow := func(sw *lwatest.Switches) { sw.Consent = lwatest.Allow }
	deny := func(sw *lwatest.Switches) { sw.Consent = lwatest.Deny }
	for _, tt := range []struct {
		name   string
		set    func(*lwatest.Switches)
		change url.Values
		status int
		err    string // in the answer; "-": there is none
	}{
		{"allowed", allow, nil, 200, ""},
		{"for a function of the page", allow, url.Values{"redirect_uri": {site}}, 200, ""},
		{"denied", deny, nil, 200, "access_denied"},
		{"token", allow, url.Values{"response_type": {"token"}}, 200, "unsupported_response_type"},
		{"without scope data", allow, url.Values{"scope_data": nil}, 200, "invalid_scope"},
		{"for a function of another page", allow, url.Values{"redirect_uri": {"http://localhost:9001"}}, 400, "-"},
		{"redirect URL not registered", allow, url.Values{"redirect_uri": {"https://elsewhere.example/"}}, 400, "-"},
		{"origin not allowed", allow, url.Values{"sdk_origin": {"https://elsewhere.example"}}, 400, "-"},
		{"no origin", allow, url.Values{"sdk_origin": {"http://localhost:9000/path"}}, 400, "-"},
		{"two origins", allow, url.Values{"sdk_origin": {site, "http://localhost:9001"}}, 400, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, origin, answer := window(t, newServer(t, tt.set), tt.change)
			if status != tt.status || (answer == nil) != (tt.err == "-") {
				t.Fatalf("window = %d %v, want %d", status, answer, tt.status)
			}
			if answer == nil {
				return
			}
			if origin != site || answer["state"] != "s1" || answer["error"] != tt.err || (answer["code"] == "") != (tt.err != "") {
				t.Errorf("told %s %v, want %s the error %q", origin, answer, site, tt.err)
			}
		})
	}
}

// A code that was told to a function belongs to the origin of its page.
func TestExchangeOfAFunctionsCode(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.Consent = lwatest.Allow })
	for redirect, want := range map[string]bool{site: true, redirectURL: false} {
		_, _, answer := window(t, srv, url.Values{"redirect_uri": {site}})
		client := srv.Client()
		client.RedirectURL = redirect
		if _, err := client.Exchange(t.Context(), answer["code"], lwa.Secret{}); (err == nil) != want {
			t.Errorf("exchange with redirect URL %s = %v, want a token: %v", redirect, err, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	o := options()
	o.Clients = o.Clients[:1]
	o.Clients[0].Origins = []string{"https://www.example.com"}
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]string{
		"https://www.example.com": "https://www.example.com", site: "", "https://www.example.com.evil.example": "", "null": "", "": "",
	} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/user/profile", nil)
		r.Header.Set("Origin", origin)
		srv.ServeHTTP(rec, r)
		if got := rec.Header().Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("a page on %q is allowed as %q, want %q", origin, got, want)
		}
		if origin != "" && rec.Header().Get("Vary") != "Origin" {
			t.Errorf("the answer to %q does not say that it depends on that", origin)
		}
	}
	for _, bad := range []string{"https://www.example.com/", "www.example.com", "ftp://x", "https://", "*"} {
		o.Clients[0].Origins = []string{bad}
		if _, err := lwatest.New(o); err == nil {
			t.Errorf("%q was taken as an origin", bad)
		}
	}
}
