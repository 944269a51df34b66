package callback_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// marker is markup that no page of ours has.
const marker = `<zq7x a="'>`

// Whatever a browser sends: no fault of ours, and no markup but our own.
func FuzzPages(f *testing.F) {
	w := newWorld(f)
	b := w.browser()
	state := query(f, b.login(device), "state")
	id := w.startPairing("").ID
	for _, q := range []string{
		"", device, "pairing=" + id, "state=" + state, "state=" + state + "&code=abc", "state=" + state + "&error=access_denied",
		"error=access_denied", "code=x", "device_model=%00", "device_model=%ff&serial=1", "a=1;b=2", "%zz", "state=a&state=b",
		"device_model=<script>&serial='\"", "moved=1&" + device, "state[]=x", "=", "&&&", strings.Repeat("serial=1&", 2000),
	} {
		for path := range 3 {
			f.Add(path, q, "restock_logins="+strings.Repeat("a", 64), "pair.example")
		}
	}
	f.Add(1, device, "restock_logins=..x.;restock_login_="+strings.Repeat("b", 4000), "[::1]:80")
	f.Fuzz(func(t *testing.T, path int, q, cookie, host string) {
		w := w.with(t)
		path = (path%3 + 3) % 3
		for _, suffix := range []string{"", url.QueryEscape(marker), "&serial=" + url.QueryEscape(marker)} {
			r := httptest.NewRequest(http.MethodGet, origin+[]string{"/", "/login", "/callback"}[path], nil)
			r.URL.RawQuery, r.Host = q+suffix, host
			r.Header["Cookie"] = []string{cookie}
			a := w.do(r)
			if a.status >= 500 {
				declinedByAmazon := path == 2 && a.status == http.StatusBadGateway && strings.Contains(a.body, "Amazon has a problem")
				if !declinedByAmazon {
					t.Fatalf("status = %d for %q", a.status, r.URL.RawQuery)
				}
			}
			checkAnswer(t, w, a)
		}
	})
}

func checkAnswer(t *testing.T, w *world, a *answer) {
	t.Helper()
	if to := a.header.Get("Location"); to != "" {
		if !strings.HasPrefix(to, origin+"/login?") && !strings.HasPrefix(to, w.lwa.Endpoint().AuthorizeURL+"?") || strings.ContainsAny(to, "\r\n") {
			t.Errorf("Location = %q", to)
		}
		return
	}
	if strings.Contains(a.body, "<zq7x") {
		t.Errorf("the page holds injected markup:\n%s", a.body)
	}
	doc, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && (n.Data == "script" || n.Data == "img" || n.Data == "zq7x") {
			t.Errorf("the page has a <%s>:\n%s", n.Data, a.body)
		}
	}
}

// Whatever an app or device sends: no fault of ours, and a problem that says what to
// change.
func FuzzCalls(f *testing.F) {
	w := newWorld(f)
	key := w.keyed()
	s := w.startPairing(key)
	code := w.appCode(w.client.ClientID, customerOne)
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `{"device_model":"ACME-VAC-1","serial":"SN+1"}`, `{"device_model":"A","serial":"1","pkce":null}`,
		`{"device_model":"A","serial":"1","device_key":"` + key + `"}`, `{"device_model":{},"serial":[]}`, "{\"device_model\":\"\xff\"}",
		`{"device_model":"A","serial":"1","code":"` + code + `","redirect_uri":"amzn://a","code_verifier":"` + verifier + `"}`,
		`{"device_model":"A","serial":"1","code":"x","redirect_uri":"https://[::1","code_verifier":"` + verifier + `"}`,
		`{"device_model":"A","DEVICE_MODEL":"B","serial":"1"}`, strings.Repeat(`{"a":`, 5000), `{"device_model":"` + strings.Repeat("A", 70_000) + `"}`,
	} {
		for route := range 4 {
			f.Add(route, body, "Bearer "+key, "application/json", s.ID)
		}
	}
	f.Add(3, "", "Bearer "+s.DeviceKey, "", s.ID)
	f.Add(3, "", "bearer  .", "text/plain", "..%2f")
	f.Fuzz(func(t *testing.T, route int, body, auth, media, id string) {
		w := w.with(t)
		route = (route%4 + 4) % 4
		method, path := http.MethodPost, []string{"/v1/authorizations", "/v1/registrations", "/v1/pairings", "/v1/pairings/"}[route]
		if route == 3 {
			method, path = http.MethodGet, path+url.PathEscape(id)
		}
		r := httptest.NewRequest(method, origin+"/", strings.NewReader(body))
		u, err := url.Parse(origin + path)
		if err != nil {
			t.Skip()
		}
		r.URL = u
		r.Header.Set("Content-Type", media)
		r.Header.Set("Authorization", auth)
		a := w.do(r)
		if a.status >= 500 {
			t.Fatalf("%s %s: status = %d: %s", method, path, a.status, a.body)
		}
		if a.status >= 400 && !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s %s: %d is no problem: %v", method, path, a.status, a.header)
		}
	})
}

// What comes back from Amazon with a real state and cookie.
func FuzzCallback(f *testing.F) {
	f.Add("code", "ANdNAVhyhqirUelHGEHA")
	f.Add("error", "access_denied")
	f.Add("error", "<script>")
	f.Add("code", marker)
	f.Add("code", "a\r\nSet-Cookie: x=1")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, param, value string) {
		w := w.with(t)
		b := w.browser()
		state := query(t, b.login(device), "state")
		a := b.get("/callback?state=" + state + "&" + url.QueryEscape(param) + "=" + url.QueryEscape(value))
		if a.status == http.StatusOK || a.status >= 500 && (param != "error" || a.status != http.StatusBadGateway) {
			t.Errorf("status = %d for %q=%q", a.status, param, value)
		}
		checkAnswer(t, w, a)
	})
	if w.registration().Version != 0 {
		f.Error("an invented code paired the device")
	}
}
