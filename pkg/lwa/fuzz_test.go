package lwa_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// FuzzTokenAnswer: whatever LWA answers, there is a token that can work or an *Error
// that holds nothing secret, never both and never neither.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json;charset=UTF-8", "", goodToken)
	f.Add(200, "application/json", "", `{"access_token":"Atza|x","token_type":"Bearer","expires_in":"3600"}`)
	f.Add(400, "application/json", "", `{"error":"invalid_grant","error_description":"… : refresh_token. User may"}`)
	f.Add(400, "application/json", "", `{"error":"x","error_description":"`+canarySecret+`"}`)
	f.Add(429, "text/html", "120", "<html>")
	f.Add(200, "application/json", "", `{"access_token":"Atza|x","token_type":"bearer","expires_in":1e308}`)
	f.Add(503, "", "Thu, 08 Jan 2026 12:01:30 GMT", "")
	f.Fuzz(func(t *testing.T, status int, kind, retryAfter, body string) {
		if status < 100 || status > 999 {
			t.Skip("no status that net/http would deliver")
		}
		header := contentType(kind)
		header.Set("Retry-After", retryAfter)
		tok, err := answering(status, header, body).Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
		if (tok == nil) == (err == nil) {
			t.Fatalf("Refresh() = %v, %v, want one of the two", tok, err)
		}
		if err != nil {
			checkError(t, err)
			return
		}
		checkToken(t, tok.AccessToken.Reveal())
		checkToken(t, tok.RefreshToken.Reveal())
		if life := tok.Expiry.Sub(noon); life <= 0 || life > 30*24*time.Hour {
			t.Errorf("the token lives %v", life)
		}
	})
}

func checkToken(t *testing.T, token string) {
	t.Helper()
	if token == "" || len(token) > 2048 || strings.Trim(token, printable) != "" {
		t.Errorf("token of %d bytes can't travel: %q", len(token), token)
	}
}

const printable = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *lwa.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T, want an *lwa.Error", err)
	}
	if e.Temporary() && e.Permanent() {
		t.Errorf("%+v is both temporary and permanent", e)
	}
	if e.RetryAfter < 0 || e.RetryAfter > time.Hour {
		t.Errorf("RetryAfter = %v", e.RetryAfter)
	}
	out := fmt.Sprintf("%v %+v", err, *e)
	refuseCanaries(t, "error", out)
	if len(out) > 2000 || strings.ContainsAny(out, "\n\r\x00\x1b") {
		t.Errorf("error is not fit for a log: %q", out)
	}
}
