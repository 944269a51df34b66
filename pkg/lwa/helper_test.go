package lwa_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// Canaries: values that are sent and must come out nowhere.
const (
	canarySecret   = "canary+client/secret=7Fq"
	canaryCode     = "ANcanaryCodeOfOneSignIn"
	canaryVerifier = "canary-verifier-0123456789-0123456789-0123456789"
	canaryRefresh  = "Atzr|canary-refresh-token"
	canaryAccess   = "Atza|canary-access-token"
)

var canaries = []string{canarySecret, canaryCode, canaryVerifier, canaryRefresh, canaryAccess}

// noon is when the tests take place.
var noon = time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// clientOn returns a client whose requests go to f.
func clientOn(f roundTrip) *lwa.Client {
	return &lwa.Client{
		ClientID:     "amzn1.application-oa2-client.00000000000000000000000000000000",
		ClientSecret: lwa.NewSecret(canarySecret),
		RedirectURL:  "https://app.example.com/callback",
		HTTPClient:   &http.Client{Transport: f},
		Now:          func() time.Time { return noon },
	}
}

// answering returns a client to which every request is answered the same.
func answering(status int, header http.Header, body string) *lwa.Client {
	return clientOn(func(r *http.Request) (*http.Response, error) {
		return response(r, status, header, strings.NewReader(body)), nil
	})
}

func response(r *http.Request, status int, header http.Header, body io.Reader) *http.Response {
	if header == nil {
		header = http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(body), Request: r}
}

func contentType(s string) http.Header { return http.Header{"Content-Type": {s}} }

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantError returns err as an *Error.
func wantError(t *testing.T, err error) *lwa.Error {
	t.Helper()
	var e *lwa.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T (%v), want an *lwa.Error", err, err)
	}
	return e
}

// refuseCanaries fails if text holds something secret.
func refuseCanaries(t *testing.T, where, text string) {
	t.Helper()
	for _, c := range canaries {
		if strings.Contains(text, c) {
			t.Errorf("%s holds %q: %s", where, c, text)
		}
	}
}
