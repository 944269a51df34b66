package callback_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// canaries records every secret on its way to and from LWA.
type canaries struct {
	http.RoundTripper
	secrets map[string]string // by value: what it is
	urls    []string
}

func (c *canaries) RoundTrip(r *http.Request) (*http.Response, error) {
	c.urls = append(c.urls, r.URL.String())
	if r.Body != nil && r.Body != http.NoBody {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		form, err := url.ParseQuery(string(sent))
		if err != nil {
			return nil, err
		}
		for _, name := range []string{"code", "code_verifier", "client_secret", "refresh_token"} {
			c.add(name, form.Get(name))
		}
	}
	res, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(got))
	var tokens map[string]any
	if json.Unmarshal(got, &tokens) == nil {
		for _, name := range []string{"access_token", "refresh_token"} {
			text, _ := tokens[name].(string)
			c.add(name, text)
		}
	}
	return res, err
}

func (c *canaries) add(what, value string) {
	if value != "" {
		c.secrets[value] = what
	}
}

// No secret gets anywhere but to whom it is for.
func TestCanaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		old := slog.Default()
		slog.SetDefault(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
		defer slog.SetDefault(old)

		w := newWorld(t)
		c := &canaries{RoundTripper: w.lwa.Transport(), secrets: map[string]string{}}
		w.config.HTTPClient = &http.Client{Transport: c}
		w.serve()
		var shown strings.Builder // pages, headers and problems: what must be free of secrets
		w.h = recorder{w.h, c, &shown}
		everything(t, w)

		told, err := json.Marshal(func() (all []any) {
			for _, e := range w.told.events {
				all = append(all, e.payload)
			}
			return all
		}())
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for value, what := range c.secrets {
			kinds[what]++
			for where, text := range map[string]string{
				"log": logged.String(), "pages and headers": shown.String(), "URLs": strings.Join(c.urls, "\n"),
				"store": w.store.text(), "messages": string(told),
			} {
				if strings.Contains(text, value) || strings.Contains(text, url.QueryEscape(value)) {
					t.Errorf("%s: holds a %s", where, what)
				}
			}
		}
		for _, what := range []string{"code", "code_verifier", "client_secret", "access_token", "refresh_token", "state", "cookie", "device_key"} {
			if kinds[what] == 0 {
				t.Errorf("no %s was seen", what)
			}
		}
		if logged.Len() == 0 || shown.Len() == 0 {
			t.Error("nothing was logged or shown")
		}
	})
}

// recorder notes what is answered. Where an answer is meant to hold a secret, the
// secret is noted as one, and taken out.
type recorder struct {
	http.Handler
	c     *canaries
	shown *strings.Builder
}

func (h recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	h.Handler.ServeHTTP(rec, r)
	body, header := rec.Body.String(), rec.Header().Clone()
	take := func(what, value, from string) string {
		h.c.add(what, value)
		if value == "" {
			return from
		}
		return strings.ReplaceAll(from, value, "")
	}
	if rec.Code == http.StatusCreated {
		var answer struct {
			State     string `json:"state"`
			DeviceKey string `json:"device_key"`
		}
		_ = json.Unmarshal([]byte(body), &answer) // 201 is always JSON
		body = take("device_key", answer.DeviceKey, take("state", answer.State, body))
	}
	if u, err := url.Parse(header.Get("Location")); err == nil && rec.Code == http.StatusFound {
		header.Set("Location", take("state", u.Query().Get("state"), header.Get("Location")))
	}
	for i, line := range header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err == nil && len(c.Name) > 64 { // a login's, not the index
			header["Set-Cookie"][i] = take("cookie", c.Value, line)
		}
	}
	text, _ := json.Marshal(header) // a map of texts
	h.shown.WriteString(body + "\n" + string(text) + "\n")
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// everything plays each route, well and badly.
func everything(t *testing.T, w *world) {
	b := w.browser()
	b.get("/?" + device)
	back := b.back(b.login(device), lwatest.Visitor{})
	b.get(back).want(t, http.StatusOK)
	b.get(back).want(t, http.StatusOK)
	w.browser().get(back).want(t, http.StatusBadRequest)
	b.get(strings.Replace(back, "state=", "nostate=", 1)).want(t, http.StatusBadRequest)
	b.get("/callback?error=access_denied&state=" + query(t, b.login(device), "state"))
	b.signIn(device, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusConflict)
	w.site(customerOne).want(t, http.StatusOK)
	key := w.keyed()
	s := w.startPairing(key)
	w.poll(s)
	b.get(s.URL)
	b.signIn("pairing="+s.ID, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusOK)
	w.poll(s)
	w.ask(s.ID, key).want(t, http.StatusUnauthorized)
	w.post("/v1/pairings", key, `{"device_model":"ACME-VAC-1","serial":"SN+1"}`).want(t, http.StatusUnauthorized)
	code := w.appCode(w.client.ClientID, customerOne)
	w.register(code, "code_verifier", strings.Repeat("x", 43)).want(t, http.StatusBadRequest)
	w.register(code, "client_id", "someone").want(t, http.StatusBadRequest)
	for _, kind := range []lwatest.Kind{lwatest.DropAfter, lwatest.Truncated, lwatest.ServerTrouble, lwatest.Hang} {
		w.fail(lwatest.RouteToken, kind, 1)
		b.signIn(device, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusBadGateway)
		w.fail(lwatest.RouteToken, kind, 1)
		w.register(w.appCode(w.client.ClientID, customerTwo)).want(t, http.StatusBadGateway)
		w.fail(lwatest.RouteTokenInfo, kind, 3)
		b.signIn(device, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusConflict)
	}
	w.drs.err = io.ErrUnexpectedEOF
	w.told.err = io.ErrUnexpectedEOF
	b.signIn(device, lwatest.Visitor{Customer: customerTwo}).want(t, http.StatusOK)
}
