package sandbox_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	w := open(t, new(memory))
	for _, c := range []struct {
		name, method, path, host string
		header                   map[string]string
		want                     int
	}{
		{"script", "POST", "/sandbox/clock", "localhost:8081", nil, 200},
		{"by address", "POST", "/sandbox/clock", "127.0.0.1:8081", nil, 200},
		{"by IPv6 address", "POST", "/sandbox/clock", "[::1]:8081", nil, 200},
		{"by its known name", "POST", "/sandbox/clock", "sandbox.example", nil, 200},
		{"rebound name", "POST", "/sandbox/clock", "evil.example:8081", nil, 400},
		{"rebound name reads", "GET", "/sandbox/state", "evil.example", nil, 400},
		{"rebound name at LWA", "GET", "/ap/oa", "evil.example", nil, 400},
		{"rebound name at DRS", "GET", "/subscriptionInfo", "evil.example", nil, 400},
		{"another site's page", "POST", "/sandbox/clock", "localhost:8081", map[string]string{"Origin": "https://evil.example"}, 403},
		{"another port's page", "POST", "/sandbox/do", "localhost:8081", map[string]string{"Origin": "http://localhost:9999"}, 403},
		{"cross-site without origin", "POST", "/sandbox/do", "localhost:8081", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"its own page", "POST", "/sandbox/clock", "localhost:8081", map[string]string{"Origin": "http://localhost:8081"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(`{"advance":"1s"}`))
			r.Host = c.host
			r.Header.Set("Content-Type", "application/json")
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			res := httptest.NewRecorder()
			w.Handler("sandbox.example").ServeHTTP(res, r)
			if res.Code != c.want {
				t.Errorf("answered %d %s, want %d", res.Code, res.Body, c.want)
			}
			if media := res.Header().Get("Content-Type"); c.want >= 400 && media != "application/problem+json" {
				t.Errorf("the refusal is %s, want a problem", media)
			}
		})
	}
}

// Another host name may be a stranger's; the answer says how it is let in.
func TestUnknownHost(t *testing.T) {
	w := open(t, new(memory))
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:81": 200, "127.0.0.1": 200, "[::1]:81": 200, "[::1]": 200, "sandbox.example:81": 200,
		"app.localhost": 400, "elsewhere.example": 400, "localhost.elsewhere.example": 400,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/sandbox/calls", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || want != 200 && !strings.Contains(string(body), "--host-name") {
			t.Errorf("%s = %d %s %v, want %d", host, resp.StatusCode, body, err, want)
		}
	}
}
