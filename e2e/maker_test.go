package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// makersPage is the page that Amazon's "Using the LWA Web API" has makers build, with its
// placeholders filled in and the SDK's host changed. more goes to the options, and
// further replacements after it.
func makersPage(t *testing.T, s *stack, clientID, more string, replace ...string) *httptest.Server {
	t.Helper()
	page, err := os.ReadFile("testdata/lwa-web-api.html")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(append([]string{
		"YOUR-CLIENT-ID", clientID, "YOUR-DEVICE-MODEL-ID", "ACME-VAC-1", "YOUR-DEVICE-SERIAL-NO", "SN0005",
		"REDIRECT-URI", s.Pages + "/callback", "https://api-cdn.amazon.com", s.Sandbox,
		"response_type: 'code'", "response_type: 'code'" + more,
	}, replace...)...).Replace(string(page))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
	t.Cleanup(site.Close)
	return site
}

// authorization is what of POST /v1/authorizations a page needs.
type authorization struct {
	State        string `json:"state"`
	AuthorizeURL string `json:"authorize_url"`
}

func (a *authorization) clientID(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(a.AuthorizeURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("client_id")
}

func (s *stack) authorize(t *testing.T, serial string) *authorization {
	t.Helper()
	a := new(authorization)
	call(t, http.MethodPost, s.Pages+"/v1/authorizations", "", `{"device_model":"ACME-VAC-1","serial":"`+serial+`","pkce":false}`, a)
	return a
}

// registered is what restock up knows of a device.
type registered struct {
	Status      string    `json:"status"`
	Renewable   bool      `json:"renewable"`
	TokenExpiry time.Time `json:"token_expiry"`
}

func (s *stack) device(t *testing.T, thing string) (r registered) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "devices", "show", thing, "--json", "--data", s.data).CombinedOutput()
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Fatalf("restock devices show %s: %v\n%s", thing, err, out)
	}
	return r
}

// signsIn clicks what opens the SDK's window, and answers there, where words are to be seen.
func (b *browser) signsIn(selector, decision string, words ...string) {
	b.t.Helper()
	opened := chromedp.WaitNewTarget(b.ctx, func(i *target.Info) bool { return i.Type == "page" })
	run(b, "clicking "+selector, chromedp.Click(selector))
	var id target.ID
	select {
	case id = <-opened:
	case <-time.After(step):
		b.t.Fatal("no window was opened")
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(480, 640)); err != nil { // attaches, for as long as ctx lives
		b.t.Fatal(err)
	}
	window := &browser{t: b.t, ctx: ctx, name: b.name}
	window.await("Amazon's page", `document.querySelector("form.card")`)
	window.look("window")
	window.sees(words...)
	// The window closes while the click is still being reported.
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector("button[value=`+decision+`]").click()`))
}

func TestMakersPage(t *testing.T) {
	chrome := chromium(t)
	s := startUp(t)
	t.Run("with a state", func(t *testing.T) {
		a := s.authorize(t, "SN0005")
		site := makersPage(t, s, a.clientID(t), ",\n        state: '"+a.State+"'")
		b := open(t, chrome, 1280, 800)
		b.name = "maker"
		b.visit(site.URL)
		b.await("the SDK", `window.amazon && amazon.Login.getClientId()`)
		b.signsIn("#LoginWithAmazon", "allow")
		b.await("our page", `location.pathname === "/callback" && document.querySelector("h1")`)
		b.sees("Your device is connected", "SN0005", "filter")
		if d := s.device(t, "ACME-VAC-1::SN0005"); d.Status != "active" || !d.Renewable || d.TokenExpiry.IsZero() {
			t.Errorf("the device is %+v, want it active, with tokens", d)
		}
	})
	t.Run("refused", func(t *testing.T) {
		a := s.authorize(t, "SN0005")
		site := makersPage(t, s, a.clientID(t), ",\n        state: '"+a.State+"'", "serial: serialNo", "serial: serialNo,\n        should_include_non_live: true")
		b := open(t, chrome, 1280, 800)
		b.name = "maker-refused"
		b.visit(site.URL)
		b.await("the SDK", `window.amazon && amazon.Login.getClientId()`)
		b.signsIn("#LoginWithAmazon", "deny", "SN0005", "also those that are not live yet")
		b.await("our page", `location.pathname === "/callback" && document.querySelector("h1")`)
		b.sees("The sign-in was cancelled")
	})
	t.Run("without a state", func(t *testing.T) {
		site := makersPage(t, s, s.authorize(t, "SN0005").clientID(t), "")
		b := open(t, chrome, 360, 740)
		b.name = "maker-without-state"
		b.visit(site.URL)
		b.await("the SDK", `window.amazon && amazon.Login.getClientId()`)
		b.signsIn("#LoginWithAmazon", "allow")
		b.await("our page", `location.pathname === "/callback" && document.querySelector("h1")`)
		b.sees("could not be connected", "For the maker of this device", "POST /v1/authorizations", `"pkce": false`, "options.state")
		b.look("page")
	})
}
