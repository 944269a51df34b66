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

// FuzzCalls: the same holds for the calls that don't end in a token.
func FuzzCalls(f *testing.F) {
	f.Add(200, pairBody)
	f.Add(200, `{"user_id":"amzn1.account.A","name":"Test User"}`)
	f.Add(200, `{"iss":"https://www.amazon.com","user_id":"amzn1.account.A","aud":"x","exp":3597}`)
	f.Add(400, `{"error":"slow_down","error_description":"`+canaryAccess+`"}`)
	f.Add(400, `{"error":"InvalidValue","error_description":"The request has an invalid parameter : client_id"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 100 || status > 999 {
			t.Skip("no status that net/http would deliver")
		}
		c := answering(status, nil, body)
		pair, err := c.CreateCodePair(t.Context(), lwa.CodePairRequest{Scopes: []string{"profile"}})
		switch {
		case (pair == nil) == (err == nil):
			t.Fatalf("CreateCodePair() = %v, %v, want one of the two", pair, err)
		case err != nil:
			checkError(t, err)
		case pair.UserCode == "" || pair.DeviceCode.IsZero() || pair.Interval <= 0 || !pair.Expiry.After(noon) || !strings.HasPrefix(pair.VerificationURL, "http"):
			t.Errorf("a pair that can't work: %+v", *pair)
		}
		profile, err := c.Profile(t.Context(), lwa.NewSecret(canaryAccess))
		switch {
		case (profile == nil) == (err == nil):
			t.Fatalf("Profile() = %v, %v, want one of the two", profile, err)
		case err != nil:
			checkError(t, err)
		case profile.UserID == "":
			t.Error("a profile of nobody")
		}
		if _, err := c.VerifyToken(t.Context(), lwa.NewSecret(canaryAccess)); err == nil && !strings.Contains(body, c.ClientID) {
			t.Errorf("%q passes for a token of ours", body)
		}
	})
}

// FuzzExplainText: any text may be pasted; none of it comes out.
func FuzzExplainText(f *testing.F) {
	for _, e := range catalogue {
		f.Add(e.body)
	}
	f.Add("lwa: refresh: 400 invalid_grant: " + canaryRefresh)
	f.Add(`https://app.example.com/?error=access_denied&error_description=%zz`)
	f.Add(`{"errors":[{"details":7}]} {"errors":[7]} {"message":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, known := lwa.ExplainText(text)
		if known != (got != "") {
			t.Errorf("ExplainText(%q) = %q, %t", text, got, known)
		}
		with, _ := lwa.ExplainText(text + " canary-7Fq")
		if strings.Contains(with, "canary-7Fq") {
			t.Errorf("the text comes out: %q", with)
		}
	})
}
