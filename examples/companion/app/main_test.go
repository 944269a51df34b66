package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A browser that comes again, as on a reload, is told the same, and the code is used once.
func TestReceive(t *testing.T) {
	for name, failure := range map[string]error{"connected": nil, "could not be connected": errors.New("the device is off")} {
		var codes []string
		h, done := receive("/cb", "right", func(code string) error {
			codes = append(codes, code)
			return failure
		})
		for _, c := range []struct {
			method, target string
			want           int
		}{
			{"GET", "/?state=right&code=c", 404},
			{"GET", "/cb/?state=right&code=c", 404},
			{"POST", "/cb?state=right&code=c", 404},
			{"GET", "/cb?state=wrong&code=c", 400},
			{"GET", "/cb?code=c", 400},
		} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(c.method, c.target, http.NoBody))
			if rec.Code != c.want || len(codes) != 0 {
				t.Errorf("%s %s: %d, want %d", c.method, c.target, rec.Code, c.want)
			}
		}
		for range 3 {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/cb?state=right&code=c", http.NoBody))
			if !strings.Contains(rec.Body.String(), name) {
				t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			}
		}
		if err := <-done; !errors.Is(err, failure) || len(codes) != 1 || codes[0] != "c" {
			t.Errorf("%s: %v, with the codes %q", name, err, codes)
		}
	}
}

// A return URL may have any path, or none.
func TestSignIn(t *testing.T) {
	for _, path := range []string{"", "/", "/cb", "/cb/", "/a{b}"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		a := &app{Redirect: "http://" + l.Addr().String() + path}
		_ = l.Close() // its port is free now
		done := make(chan error, 1)
		go func() { done <- a.signIn(t.Context(), "", "s", func(string) error { return nil }) }()
		if status := visit(t, a.Redirect+"?state=s&code=c"); status != http.StatusOK {
			t.Errorf("%s: %d", a.Redirect, status)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", a.Redirect, err)
		}
	}
}

// visit is a browser that comes as soon as somebody listens.
func visit(t *testing.T, address string) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			return res.StatusCode
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
