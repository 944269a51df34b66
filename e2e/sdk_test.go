package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// sdkPage is a maker's page. Its button does what a test has put into window.press.
const sdkPage = `<!doctype html><html lang="en"><title>Site</title><body><div id="amazon-root"></div>
<button id="go" onclick="press()">Login with Amazon</button>
<script>
window.onAmazonLoginReady = () => { amazon.Login.setClientId(%q); window.ready = true };
const a = document.createElement("script");
a.async = true; a.id = "amazon-login-sdk"; a.src = %q;
document.getElementById("amazon-root").appendChild(a);
</script>`

// sdkWorld is a sandbox, a maker's site that uses its SDK, and a browser on that site.
type sdkWorld struct {
	*browser
	lwa  *lwatest.Server
	site string
}

func newSDKWorld(t *testing.T, chrome string, consent lwatest.Consent) *sdkWorld {
	t.Helper()
	w := new(sdkWorld)
	pages := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, sdkPage, w.lwa.Client().ClientID, w.lwa.URL+"/sdk/login1.js")
	}))
	t.Cleanup(pages.Close)
	w.site = pages.URL
	sw := lwatest.DefaultSwitches()
	sw.Consent = consent
	client := lwatest.DefaultClient()
	client.RedirectURLs = []string{w.site + "/back"}
	w.lwa = lwatest.NewServer(t, lwatest.Options{Clients: []lwatest.Client{client}, Switches: &sw})
	w.browser = open(t, chrome, 1280, 800)
	w.load()
	return w
}

func (w *sdkWorld) load() {
	w.t.Helper()
	w.visit(w.site + "/")
	w.await("the SDK", "window.ready")
}

// press has the button do something, and clicks it: browsers open a window only then.
func (w *sdkWorld) pressTo(script string) {
	w.t.Helper()
	run(w.browser, "setting the button", chromedp.Evaluate[chromedp.Void]("window.heard = undefined; window.press = () => {"+script+"}"))
	run(w.browser, "clicking the button", chromedp.Click("#go"))
}

// asks has the button do something that calls hear, and returns what that hears.
func (w *sdkWorld) asks(script string) map[string]any {
	w.t.Helper()
	w.pressTo("const hear = a => { window.heard = {...a} };" + script)
	w.await("an answer", "window.heard")
	return run(w.browser, "reading the answer", chromedp.Evaluate[map[string]any]("window.heard"))
}

// arrives waits for the site's page that was next, and returns its parameters.
func (w *sdkWorld) arrives() map[string]any {
	w.t.Helper()
	w.await("the redirect URL", `location.pathname === "/back"`)
	return run(w.browser, "reading the address", chromedp.Evaluate[map[string]any]("Object.fromEntries(new URLSearchParams(location.search))"))
}

const dashOptions = `{
	scope: ["dash:replenish"], response_type: "code", state: "s1",
	scope_data: {"dash:replenish": {device_model: "ACME-VAC-1", serial: "SN+1", should_include_non_live: true}},
	%s
}`

func TestSDKHandsCodesOver(t *testing.T) {
	w := newSDKWorld(t, chromium(t), lwatest.Allow)
	check := func(t *testing.T, answer map[string]any, redirectURL string) {
		t.Helper()
		code, _ := answer["code"].(string)
		if code == "" || answer["scope"] != "dash:replenish" || answer["state"] != "s1" || answer["error"] != nil {
			t.Fatalf("the answer is %v", answer)
		}
		client := w.lwa.Client()
		client.RedirectURL = redirectURL
		token, err := client.Exchange(t.Context(), code, lwa.Secret{})
		if err != nil {
			t.Fatalf("exchanging the code: %v", err)
		}
		if g, _ := w.lwa.Lookup(token.AccessToken.Reveal()); g.DeviceModel != "ACME-VAC-1" || g.Serial != "SN+1" || !g.NonLive {
			t.Errorf("the grant is %+v, want that of the scope data", g)
		}
	}
	t.Run("to a function", func(t *testing.T) {
		w.t = t
		answer := w.asks("amazon.Login.authorize(" + fmt.Sprintf(dashOptions, "") + ", hear)")
		check(t, answer, w.site)
		if answer["status"] != "complete" {
			t.Errorf("status = %v, want complete", answer["status"])
		}
	})
	t.Run("to a function that is named later", func(t *testing.T) {
		w.t = t
		check(t, w.asks("amazon.Login.authorize("+fmt.Sprintf(dashOptions, "popup: true")+").onComplete(hear)"), w.site)
	})
	t.Run("once, to who asked last in the same window", func(t *testing.T) {
		w.t = t
		options := fmt.Sprintf(dashOptions, "")
		answer := w.asks("let early = 0; amazon.Login.authorize(" + options + ", () => early++);" +
			"amazon.Login.authorize(" + options + ", a => hear({...a, early}))")
		check(t, answer, w.site)
		if answer["early"] != 0.0 {
			t.Errorf("the code was handed to %v others", answer["early"])
		}
	})
	t.Run("to a URL, with a window", func(t *testing.T) {
		w.t = t
		w.pressTo("amazon.Login.authorize(" + fmt.Sprintf(dashOptions, "") + ", '/back')")
		check(t, w.arrives(), w.site+"/back")
	})
	t.Run("to a URL, without a window", func(t *testing.T) {
		w.t = t
		w.load()
		w.pressTo("amazon.Login.authorize(" + fmt.Sprintf(dashOptions, "popup: false") + ", location.origin + '/back')")
		check(t, w.arrives(), w.site+"/back")
	})
	t.Run("to a URL, where no window opens", func(t *testing.T) {
		w.t = t
		w.load()
		w.pressTo("window.open = () => null; amazon.Login.authorize(" + fmt.Sprintf(dashOptions, "") + ", '/back')")
		check(t, w.arrives(), w.site+"/back")
	})
}

func TestSDKRefusals(t *testing.T) {
	chrome := chromium(t)
	t.Run("of the customer", func(t *testing.T) {
		w := newSDKWorld(t, chrome, lwatest.Deny)
		answer := w.asks("amazon.Login.authorize(" + fmt.Sprintf(dashOptions, "") + ", hear)")
		if answer["error"] != "access_denied" || answer["state"] != "s1" || answer["code"] != nil {
			t.Errorf("the answer is %v, want access_denied", answer)
		}
		w.pressTo("amazon.Login.authorize(" + fmt.Sprintf(dashOptions, "") + ", '/back')")
		if got := w.arrives(); got["error"] != "access_denied" || got["error_description"] == "" || got["scope"] != nil {
			t.Errorf("the redirect has %v, want access_denied", got)
		}
	})
	t.Run("by closing the window", func(t *testing.T) {
		w := newSDKWorld(t, chrome, lwatest.Ask)
		answer := w.asks(`const open = window.open;
			window.open = (...a) => { const w = open.apply(window, a); setTimeout(() => w.close(), 300); return w };
			amazon.Login.authorize(` + fmt.Sprintf(dashOptions, "") + ", hear)")
		if answer["error"] != "access_denied" {
			t.Errorf("the answer is %v, want access_denied", answer)
		}
	})
	t.Run("of the server", func(t *testing.T) {
		w := newSDKWorld(t, chrome, lwatest.Allow)
		answer := w.asks(`amazon.Login.authorize({scope: "profile"}, hear)`) // a token, unless options say otherwise
		if answer["error"] != "unsupported_response_type" {
			t.Errorf("the answer is %v, want unsupported_response_type", answer)
		}
		answer = w.asks(`amazon.Login.authorize({scope: "profile", interactive: "never"}, hear)`)
		if answer["error"] != "invalid_grant" {
			t.Errorf("the answer is %v, want invalid_grant", answer)
		}
	})
	t.Run("of wrong calls", func(t *testing.T) {
		w := newSDKWorld(t, chrome, lwatest.Allow)
		for _, wrong := range []struct{ call, want string }{
			{`amazon.Login.authorize({}, hear)`, "options.scope"},
			{`amazon.Login.authorize({scope: "profile", popup: false}, hear)`, "redirect URL"},
			{`amazon.Login.authorize({scope: "profile", interactive: "no"}, hear)`, "interactive"},
			{`amazon.Login.setClientId(""), amazon.Login.authorize({scope: "profile"}, hear)`, "setClientId"},
		} {
			answer := w.asks("try { " + wrong.call + " } catch (e) { hear({message: e.message}) }")
			if text, _ := answer["message"].(string); !strings.Contains(text, wrong.want) {
				t.Errorf("%s threw %q, want a word on %s", wrong.call, text, wrong.want)
			}
		}
	})
}

func TestSDKWithPKCE(t *testing.T) {
	w := newSDKWorld(t, chromium(t), lwatest.Allow)
	const finish = `amazon.Login.retrieveToken(a.code, t => amazon.Login.retrieveProfile(t.access_token, p => hear({a, t, p})))`
	check := func(t *testing.T, answer map[string]any) {
		t.Helper()
		token, _ := answer["t"].(map[string]any)
		profile, _ := answer["p"].(map[string]any)
		who, _ := profile["profile"].(map[string]any)
		if token["success"] != true || token["token_type"] != "bearer" || token["refresh_token"] != nil ||
			profile["success"] != true || who["Name"] != "Customer One" || who["PrimaryEmail"] != "one@example.com" ||
			who["CustomerId"] != "amzn1.account.AEXAMPLEONE" {
			t.Errorf("the answers are %v", answer)
		}
	}
	t.Run("in one page", func(t *testing.T) {
		w.t = t
		check(t, w.asks(`amazon.Login.authorize({scope: "profile", pkce: true}, a => `+finish+`)`))
	})
	t.Run("token of the cache", func(t *testing.T) {
		w.t = t
		const ask = `amazon.Login.authorize({scope: "profile", interactive: "never"}, hear)`
		if answer := w.asks(ask); answer["access_token"] == nil {
			t.Errorf("the answer is %v, want the token", answer)
		}
		if answer := w.asks(`amazon.Login.retrieveProfile(hear)`); answer["success"] != true {
			t.Errorf("the profile is %v", answer)
		}
		if answer := w.asks("amazon.Login.logout();" + ask); answer["error"] != "invalid_grant" {
			t.Errorf("after logout the answer is %v, want invalid_grant", answer)
		}
	})
	t.Run("in two pages", func(t *testing.T) {
		w.t = t
		w.pressTo(`amazon.Login.authorize({scope: "profile", pkce: true, popup: false}, "/back")`)
		w.arrives()
		w.await("the SDK", "window.ready")
		check(t, w.asks(`const a = Object.fromEntries(new URLSearchParams(location.search));`+finish))
	})
	t.Run("without authorize", func(t *testing.T) {
		w.t = t
		w.load()
		if answer := w.asks(`amazon.Login.retrieveToken("ANexample", hear)`); answer["success"] != false || answer["error"] != "invalid_request" {
			t.Errorf("the answer is %v, want invalid_request", answer)
		}
	})
	for _, e := range w.lwa.Journal() {
		if strings.Contains(fmt.Sprint(e.Params), "secret") {
			t.Errorf("a browser sent %v", e.Params)
		}
	}
}
