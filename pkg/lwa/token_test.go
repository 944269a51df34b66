package lwa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
)

func TestTokenAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, access, refresh, kind, scope string
		life                               time.Duration
	}{
		{"code-grant", "Atza|invented-access-token-of-the-web-page", "Atzr|invented-refresh-token-of-the-web-page", "bearer", "", time.Hour},
		{"companion-app", "Atza|invented-access-token-of-the-app", "Atzr|invented-refresh-token-of-the-app", "bearer", "", 3573 * time.Second},
		{"expiry-as-text", "Atza|invented-access-token-with-text", "Atzr|invented-refresh-token-with-text", "Bearer", "", time.Hour},
		{"no-refresh-token", "Atza|invented-access-token-alone", "", "bearer", "", time.Hour},
		{"empty-refresh-token", "Atza|invented-access-token-alone", "", "bearer", "", time.Hour},
		{"scope-told", "Atc|invented-access-token-of-a-client", "", "bearer", "appstore::apps:readwrite", time.Hour},
		{"unknown-members", "Atza|invented-access-token-in-company", "", "BEARER", "", time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := answering(200, contentType("application/json;charset UTF-8"), golden(t, "token/"+tt.name+".json"))
			want := &lwa.Token{
				AccessToken: lwa.NewSecret(tt.access), RefreshToken: lwa.NewSecret(tt.refresh),
				TokenType: tt.kind, Expiry: noon.Add(tt.life), Scope: tt.scope,
			}
			got, err := c.Exchange(t.Context(), canaryCode, lwa.Secret{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Exchange() (-want +got):\n%s", diff)
			}
			// A refresh repeats what it was given where nothing new came.
			if tt.refresh == "" {
				want.RefreshToken = lwa.NewSecret(canaryRefresh)
			}
			got, err = c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Refresh() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpiryCountsFromTheRequest(t *testing.T) {
	now := noon.In(time.FixedZone("elsewhere", 5*3600))
	c := answering(200, nil, goodToken)
	c.Now = func() time.Time {
		now = now.Add(time.Minute) // every look at the clock takes a minute
		return now
	}
	got, err := c.Exchange(t.Context(), canaryCode, lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	if want := noon.Add(time.Minute + time.Hour); !got.Expiry.Equal(want) || got.Expiry.Location() != time.UTC {
		t.Errorf("Expiry = %v, want %v in UTC", got.Expiry, want)
	}
}

// TestUnusableAnswers: a 200 that gives no token that works is an *Error, and says
// whether something in front of LWA may have sent it.
func TestUnusableAnswers(t *testing.T) {
	token := func(change, to string) string {
		out := strings.Replace(goodToken, change, to, 1)
		if out == goodToken {
			t.Fatalf("%q is not in the good answer", change)
		}
		return out
	}
	huge := strings.Repeat("a", 2049)
	for _, tt := range []struct {
		name, contentType, body string
		notJSON                 bool
	}{
		{"empty", "application/json", "", true},
		{"page", "text/html", "<!DOCTYPE html><title>Hotel</title>", true},
		{"page that calls itself JSON", "application/json", "<!DOCTYPE html>", true},
		{"JSON that calls itself a page", "text/html", goodToken, true},
		{"truncated", "application/json", goodToken[:len(goodToken)/2], true},
		{"two answers", "application/json", goodToken + goodToken, true},
		{"form", "application/x-www-form-urlencoded", "access_token=a&token_type=bearer", true},
		{"over 1 MiB", "application/json", goodToken + strings.Repeat(" ", 1<<20), true},
		{"null", "application/json", "null", false},
		{"list", "application/json", "[]", false},
		{"text", "application/json", `"Atza|a"`, false},
		{"empty object", "application/json", "{}", false},
		{"no access token", "", token(`"access_token":"Atza|a",`, ""), false},
		{"empty access token", "", token(`Atza|a`, ""), false},
		{"access token is a number", "", token(`"Atza|a"`, "7"), false},
		{"access token with a newline", "", token(`Atza|a`, `Atza|\n`), false},
		{"access token with a space", "", token(`Atza|a`, `Atza|a b`), false},
		{"access token beyond ASCII", "", token(`Atza|a`, `Atza|ü`), false},
		{"access token too long", "", token(`Atza|a`, huge), false},
		{"refresh token is an object", "", token(`"Atzr|r"`, "{}"), false},
		{"refresh token with NUL", "", token(`Atzr|r`, `Atzr|\u0000`), false},
		{"refresh token too long", "", token(`Atzr|r`, huge), false},
		{"no token type", "", token(`"token_type":"bearer",`, ""), false},
		{"wrong token type", "", token(`bearer`, "mac"), false},
		{"no expiry", "", token(`,"expires_in":3600`, ""), false},
		{"null expiry", "", token(`3600`, "null"), false},
		{"zero expiry", "", token(`3600`, "0"), false},
		{"negative expiry", "", token(`3600`, "-1"), false},
		{"half a second", "", token(`3600`, "0.5"), false},
		{"absurd expiry", "", token(`3600`, "99999999999"), false},
		{"huge expiry", "", token(`3600`, "1e400"), false},
		{"expiry in words", "", token(`3600`, `"an hour"`), false},
		{"infinite expiry", "", token(`3600`, `"Inf"`), false},
		{"hexadecimal expiry", "", token(`3600`, `"0xe10"`), false},
		{"expiry in a list", "", token(`3600`, `[3600]`), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := answering(200, contentType(tt.contentType), tt.body).Exchange(t.Context(), canaryCode, lwa.Secret{})
			e := wantError(t, err)
			if got != nil {
				t.Errorf("a token came with the error: %v", got)
			}
			if e.Code != "" || e.StatusCode != 200 || e.Description == "" || e.Op != "exchange" {
				t.Errorf("error = %+v, want no code and a description", e)
			}
			if e.NotJSON != tt.notJSON || e.Temporary() != tt.notJSON || e.Permanent() {
				t.Errorf("NotJSON, Temporary, Permanent = %t, %t, %t, want %t, %t, false",
					e.NotJSON, e.Temporary(), e.Permanent(), tt.notJSON, tt.notJSON)
			}
		})
	}
}

func TestContentTypeIsComparedTolerantly(t *testing.T) {
	for _, ct := range []string{
		"", "application/json", "application/json;charset=UTF-8", "application/json;charset UTF-8",
		"Application/JSON ; x", "application/problem+json", "text/plain; charset=utf-8", "application/json; =",
	} {
		if _, err := answering(200, contentType(ct), goodToken).Exchange(t.Context(), canaryCode, lwa.Secret{}); err != nil {
			t.Errorf("with content type %q: %v", ct, err)
		}
	}
}

func TestTokenInfo(t *testing.T) {
	const body = `{"iss":"https://www.amazon.com","user_id":"amzn1.account.EXAMPLE","aud":"amzn1.application-oa2-client.0",
		"app_id":"amzn1.application.0","exp":3597,"iat":1311280970,"more":1}`
	got, err := answering(200, nil, body).TokenInfo(t.Context(), lwa.NewSecret(canaryAccess))
	if err != nil {
		t.Fatal(err)
	}
	want := &lwa.TokenInfo{
		Issuer: "https://www.amazon.com", UserID: "amzn1.account.EXAMPLE", Audience: "amzn1.application-oa2-client.0",
		AppID: "amzn1.application.0", ExpiresIn: 3597 * time.Second, IssuedAt: time.Date(2011, 7, 21, 20, 42, 50, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("TokenInfo() (-want +got):\n%s", diff)
	}
}

func TestTokenInfoRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"no audience":       `{"exp":1}`,
		"audience a number": `{"aud":1,"exp":1}`,
		"no expiry":         `{"aud":"a"}`,
		"negative expiry":   `{"aud":"a","exp":-1}`,
		"timestamp expiry":  `{"aud":"a","exp":1767873600}`,
		"control character": `{"aud":"a\u0007","exp":1}`,
		"repeats the token": `{"aud":"a","user_id":"` + canaryAccess + `","exp":1}`,
		"absurdly long":     `{"aud":"` + strings.Repeat("a", 600) + `","exp":1}`,
		"an error instead":  `{"error":"invalid_token"}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := answering(200, nil, body).TokenInfo(t.Context(), lwa.NewSecret(canaryAccess))
			e := wantError(t, err)
			if got != nil || e.Op != "tokeninfo" {
				t.Errorf("TokenInfo() = %+v, %+v", got, e)
			}
		})
	}
}

// TestTokenPrintsNoToken: neither a token nor a struct that holds one shows more than
// the expiry.
func TestTokenPrintsNoToken(t *testing.T) {
	tok := lwa.Token{
		AccessToken: lwa.NewSecret(canaryAccess), RefreshToken: lwa.NewSecret(canaryRefresh), TokenType: "bearer", Expiry: noon,
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("token", "value", tok, "pointer", &tok, "inside", struct{ T lwa.Token }{tok})
	}
	asJSON, err := json.Marshal(map[string]any{"value": tok, "pointer": &tok})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(asJSON, []byte("RefreshToken")) || bytes.Contains(asJSON, []byte("AccessToken")) {
		t.Errorf("the JSON form has room for tokens: %s", asJSON)
	}
	text := log.String() + string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		text += fmt.Sprintf(verb+" "+verb+" "+verb, tok, &tok, struct{ t lwa.Token }{tok})
	}
	refuseCanaries(t, "output", text)
	if !strings.Contains(tok.String(), "2026-01-08T12:00:00Z") || !strings.Contains(log.String(), "2026-01-08T12:00:00") {
		t.Errorf("the expiry is not shown: %s; %s", tok, log.String())
	}
}
