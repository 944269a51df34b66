package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// website serves examples/website, with the two addresses in its config.js changed as its
// README says. They are those of s, which starts after the site: it has to know its origin.
func website(t *testing.T, s **stack) *httptest.Server {
	t.Helper()
	files := http.FileServer(http.Dir("../examples/website"))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/config.js" {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, "const config = {api: %q, sdk: %q};", (*s).Pages, (*s).Sandbox+"/sdk/login1.js")
	}))
	t.Cleanup(site.Close)
	return site
}

func TestWebsite(t *testing.T) {
	chrome := chromium(t)
	var s *stack
	site := website(t, &s)
	s = startUp(t, "--allowed-origins", site.URL)
	const button = "document.getElementById('LoginWithAmazon')"
	for i, size := range sizes {
		t.Run(size.name, func(t *testing.T) {
			b := open(t, chrome, size.width, size.height)
			b.name = "website-" + size.name
			serial := []string{"SN0006", "SN0007"}[i]

			b.visit(site.URL)
			b.await("the SDK", "!"+button+".disabled")
			b.look("1-form", site.URL, s.Sandbox+"/sdk/login1.js")
			b.fill("#model", strings.Repeat("+", 50)) // which makes it too long for a device
			b.fill("#serial", serial+"\r")
			b.await("a message", "document.getElementById('message').innerText")
			b.sees("Please check the model and the serial number")
			b.look("2-message", site.URL, s.Sandbox+"/sdk/login1.js", s.Pages+"/v1/authorizations")

			b.reload()
			b.await("the SDK", "!"+button+".disabled")
			b.fill("#serial", serial+"\r") // Enter
			b.await("Amazon's page", `document.querySelector("form.card")`)
			b.sees("ACME-VAC-1", serial)
			b.press("Allow")
			b.sees("Your device is connected", serial, "filter")
			b.look("3-paired")
			if d := s.device(t, "ACME-VAC-1::"+serial); d.Status != "active" || d.TokenExpiry.IsZero() {
				t.Errorf("the device is %+v, want it active, with a token", d)
			}
		})
	}
	t.Run("whose service has trouble", func(t *testing.T) {
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
			if r.Method != http.MethodOptions {
				w.WriteHeader(http.StatusBadGateway)
			}
			fmt.Fprint(w, "<h1>Bad Gateway</h1>")
		}))
		t.Cleanup(gateway.Close)
		behind := *s
		behind.Pages = gateway.URL
		troubled := &behind
		b := open(t, chrome, 360, 740)
		b.visit(website(t, &troubled).URL)
		b.await("the SDK", "!"+button+".disabled")
		b.fill("#serial", "SN0009\r")
		b.await("a message", "document.getElementById('message').innerText")
		b.sees("Please try again in a moment")
	})
	t.Run("whose origin is not allowed", func(t *testing.T) {
		other := website(t, &s)
		b := open(t, chrome, 360, 740)
		b.visit(other.URL)
		b.await("the SDK", "!"+button+".disabled")
		b.fill("#serial", "SN0008\r")
		b.await("a message", "document.getElementById('message').innerText")
		b.sees("The service can't be reached")
	})
}
