package lwatest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// TestStory is the whole of a sign-in with the client of this module, by the zero
// options.
func TestStory(t *testing.T) {
	inMemory, err := lwatest.New(lwatest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for how, srv := range map[string]*lwatest.Server{
		"in memory": inMemory, "over the network": lwatest.NewServer(t, lwatest.Options{}),
	} {
		t.Run(how, func(t *testing.T) {
			c := srv.Client()
			v := lwa.NewVerifier()
			page, err := c.AuthCodeURL(lwa.AuthRequest{
				State: "s", Scopes: []string{"dash:replenish"}, CodeChallenge: lwa.Challenge(v),
				ScopeData: json.RawMessage(dashData),
			})
			if err != nil {
				t.Fatal(err)
			}
			back, err := srv.Visit(page, lwatest.Visitor{})
			if err != nil {
				t.Fatal(err)
			}
			token, err := c.Exchange(t.Context(), back.Query().Get("code"), v)
			if err != nil {
				t.Fatal(err)
			}
			srv.Clock().Advance(time.Hour)
			next, err := c.Refresh(t.Context(), token.RefreshToken)
			if err != nil || !next.RefreshToken.Equal(token.RefreshToken) {
				t.Fatalf("Refresh() = %v, %v, want the same refresh token", next, err)
			}
			info, err := c.TokenInfo(t.Context(), next.AccessToken)
			if err != nil || info.Audience != c.ClientID || info.UserID != srv.Customers()[0].UserID {
				t.Errorf("TokenInfo() = %+v, %v", info, err)
			}
			if _, err := c.TokenInfo(t.Context(), token.AccessToken); err == nil {
				t.Error("the first access token outlived its hour")
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*lwatest.Options){
		"needs an ID":      func(o *lwatest.Options) { o.Clients[0].ID = "" },
		"1 to 100":         func(o *lwatest.Options) { o.Clients[0].ID = strings.Repeat("x", 101) },
		"needs a redirect": func(o *lwatest.Options) { o.Clients[0].RedirectURLs = nil },
		"no absolute URL":  func(o *lwatest.Options) { o.Clients[0].RedirectURLs = []string{"/callback"} },
		"has a fragment":   func(o *lwatest.Options) { o.Clients[0].RedirectURLs = []string{"https://a.example.com/#x"} },
		"must be https":    func(o *lwatest.Options) { o.Clients[0].RedirectURLs = []string{"http://a.example.com/"} },
		"names no host":    func(o *lwatest.Options) { o.Clients[0].RedirectURLs = []string{"https:///x"} },
		"browsers act on":  func(o *lwatest.Options) { o.Clients[0].RedirectURLs = []string{"javascript://x/%0aalert(1)"} },
		"amzn1.account.":   func(o *lwatest.Options) { o.Customers[0].UserID = "customerOne" },
		"consent must be":  func(o *lwatest.Options) { o.Switches = new(lwatest.Switches) },
		"isn't known here": func(o *lwatest.Options) {
			sw := lwatest.DefaultSwitches()
			sw.Customer = "amzn1.account.NOBODY"
			o.Switches = &sw
		},
	} {
		o := options()
		change(&o)
		if _, err := lwatest.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want an error about %q", err, want)
		}
	}
	o := options()
	o.Clients[0].RedirectURLs = []string{"http://127.0.0.1:9090/cb", "http://[::1]/", "amzn://com.example.app", "amzn-com.example.app://"}
	if _, err := lwatest.New(o); err != nil {
		t.Errorf("loopback and application URLs: %v", err)
	}
}

func TestSwitchesAsJSON(t *testing.T) {
	srv := newServer(t, nil)
	sw := srv.Switches()
	if diff := cmp.Diff(lwatest.DefaultSwitches(), sw); diff != "" {
		t.Errorf("Switches() (-default +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"access_life":"90s","refresh_rotation":"new"}`), &sw); err != nil {
		t.Fatal(err)
	}
	if err := srv.SetSwitches(sw); err != nil {
		t.Fatal(err)
	}
	if a := paired(t, srv); a.JSON["expires_in"] != 90.0 {
		t.Errorf("expires_in = %v, want 90", a.JSON["expires_in"])
	}
	for _, bad := range []string{
		`{"access_life":"an hour"}`, `{"access_life":3600}`, `{"access_life":"0s"}`, `{"code_life":"-1s"}`, `{"code_life":"999999h"}`,
		`{"refresh_rotation":""}`, `{"token_type":"mac"}`, `{"verifier_error":"x"}`, `{"state":"x"}`, `{"consent":"x"}`,
		`{"expires_in_less":"90s"}`, `{"customer":"x"}`,
	} {
		sw := srv.Switches()
		err := json.Unmarshal([]byte(bad), &sw)
		if err == nil {
			err = srv.SetSwitches(sw)
		}
		if err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if got := srv.Switches(); got != sw {
		t.Errorf("Switches() = %+v, want them unchanged", got)
	}
	b, err := json.Marshal(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Slow, Delay: lwatest.Duration(1500 * time.Millisecond)})
	if want := `{"route":"token","kind":"slow","delay":"1.5s"}`; err != nil || string(b) != want {
		t.Errorf("a fault in JSON = %s, %v, want %s", b, err, want)
	}
}

// TestAtTheSameTime has everything going on at once, for the race detector.
func TestAtTheSameTime(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	token := paired(t, srv).str("refresh_token")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				post(t, srv, refreshForm(token))
				post(t, srv, exchangeForm(visit(t, srv).Get("code")))
				srv.Clock().Advance(time.Second)
				srv.Journal()
				srv.Grants(lwatest.Match{})
				srv.Lookup("x")
				_ = srv.Script(lwatest.Fault{Route: lwatest.RouteProfile, Kind: lwatest.Empty})
				get(t, srv, "/user/profile")
				_, _ = srv.Snapshot()
				_ = srv.SetSwitches(srv.Switches())
			}
		})
	}
	wg.Wait()
	wantTokens(t, post(t, srv, refreshForm(token)))
	if n := srv.Calls(lwatest.RouteToken, ""); n != 162 {
		t.Errorf("Calls() = %d, want 162", n)
	}
}

// TestBehindAnotherHandler: under a prefix the page still finds its way back.
func TestBehindAnotherHandler(t *testing.T) {
	srv := newServer(t, nil)
	front := httptest.NewServer(http.StripPrefix("/amazon", srv))
	t.Cleanup(front.Close)
	ask := func(method, address string, body url.Values) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", form)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	resp := ask("GET", front.URL+"/amazon"+target(), nil)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(string(body))
	back, err := resp.Request.URL.Parse(action[1])
	if err != nil {
		t.Fatal(err)
	}
	resp = ask("POST", back.String(), with(formOf(string(body)), "decision", "allow"))
	if resp.StatusCode != http.StatusFound || !strings.HasPrefix(resp.Header.Get("Location"), redirectURL) {
		t.Errorf("the answer posted to %s = %d to %q", back, resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestEndpointInMemory(t *testing.T) {
	srv := newServer(t, nil)
	if got := srv.Endpoint(); got.APIURL != "http://lwa.invalid" || got.AuthorizeURL != "http://lwa.invalid/ap/oa" {
		t.Errorf("Endpoint() = %+v", got)
	}
}
