package lwa_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
)

func TestProfile(t *testing.T) {
	for region, host := range map[lwa.Region]string{lwa.NA: "api.amazon.com", lwa.EU: "api.amazon.co.uk", lwa.FE: "api.amazon.co.jp"} {
		c := clientOn(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != "https://"+host+"/user/profile" || r.Header.Get("x-amz-access-token") != canaryAccess {
				t.Errorf("%s: asked %s", region, r.URL)
			}
			return response(r, 200, nil, strings.NewReader(
				`{"user_id":"amzn1.account.A","email":"user@example.com","name":"Test User","postal_code":"98101","more":1}`)), nil
		})
		c.Endpoint = region.Endpoint()
		got, err := c.Profile(t.Context(), lwa.NewSecret(canaryAccess))
		if err != nil {
			t.Fatal(err)
		}
		want := &lwa.Profile{UserID: "amzn1.account.A", Email: "user@example.com", Name: "Test User", PostalCode: "98101"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("profile (-want +got):\n%s", diff)
		}
		for _, out := range []string{fmt.Sprintf("%v %+v %#v", got, *got, got), got.LogValue().String()} {
			if strings.Contains(out, "Test User") || strings.Contains(out, "98101") || strings.Contains(out, "example.com") {
				t.Errorf("a customer's particulars are in %s", out)
			}
		}
	}
}

func TestUnusableProfile(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `null`, `"x"`, ``, `{"user_id":""}`, `{"user_id":7}`, `{"user_id":"a","name":{}}`,
		`{"user_id":"a","email":"` + strings.Repeat("x", 1025) + `"}`, `{"user_id":"a\u0000b"}`, `{"user_id":"\u202ea"}`, `<html>`, `{"user_id":"a"`,
	} {
		_, err := answering(200, nil, body).Profile(t.Context(), lwa.NewSecret(canaryAccess))
		if e := wantError(t, err); !errors.Is(err, lwa.ErrUnusable) || e.Op != "profile" {
			t.Errorf("%.60s: %v, want ErrUnusable", body, err)
		}
	}
	if _, err := answering(200, nil, `{"user_id":"a"}`).Profile(t.Context(), lwa.NewSecret("a token\n")); err == nil {
		t.Error("a token that can't travel was sent")
	}
}

// What customers are called stops nobody's sign-in: Persian, Hindi and Sinhala are written with
// joiners that can't be seen, and what could garble a page or a log is left out.
func TestProfileOfAnyName(t *testing.T) {
	for name, want := range map[string]string{
		"شری\u200cفی": "شری\u200cفی", "ශ්\u200dරී": "ශ්\u200dරී", "👩\u200d🚀": "👩\u200d🚀", " Ann Ex ": "Ann Ex",
		"Ann\u202e Ex\u0000\r\n": "Ann Ex", "\ufeffAnn": "Ann", "\u202e": "", "Atza": "Atza", canaryAccess: "[redacted]",
	} {
		body, err := json.Marshal(map[string]string{"user_id": "a", "name": name})
		if err != nil {
			t.Fatal(err)
		}
		got, err := answering(200, nil, string(body)).Profile(t.Context(), lwa.NewSecret(canaryAccess))
		if err != nil || got.Name != want {
			t.Errorf("%q: %+q, %v, want %q", name, got, err, want)
		}
	}
}

// Any of 400, 401 and 403 may come with the code.
func TestProfileRefusals(t *testing.T) {
	for _, status := range []int{400, 401, 403} {
		for _, code := range []lwa.Code{lwa.InvalidToken, lwa.InsufficientScope} {
			_, err := answering(status, nil, `{"error":"`+string(code)+`","request_id":"1"}`).Profile(t.Context(), lwa.NewSecret(canaryAccess))
			if !errors.Is(err, code) {
				t.Errorf("%d: %v, want %s", status, err, code)
			}
		}
	}
}

func TestVerifyToken(t *testing.T) {
	const other = "amzn1.application-oa2-client.other"
	c := answering(200, nil, `{"iss":"https://www.amazon.com","user_id":"amzn1.account.A","aud":"`+other+`","exp":3597,"iat":1311280970}`)
	info, err := c.VerifyToken(t.Context(), lwa.NewSecret(canaryAccess))
	var audience *lwa.AudienceError
	if !errors.As(err, &audience) || audience.Audience != other || audience.ClientID != c.ClientID || info != nil {
		t.Errorf("another application's token: %v, %v; want an AudienceError", info, err)
	}
	c.ClientID = other
	if info, err = c.VerifyToken(t.Context(), lwa.NewSecret(canaryAccess)); err != nil || info.UserID != "amzn1.account.A" {
		t.Errorf("our own token: %+v, %v", info, err)
	}
	if info.For("") == nil || info.For(other+"x") == nil {
		t.Error("the token passes for anybody's")
	}
	c.ClientID = ""
	if _, err := c.VerifyToken(t.Context(), lwa.NewSecret(canaryAccess)); err == nil {
		t.Error("without a client ID any token passes")
	}
}

func TestMarketplace(t *testing.T) {
	for text, want := range map[string]struct {
		m    lwa.Marketplace
		page string
		r    lwa.Region
	}{
		"US": {"US", "https://www.amazon.com/ap/oa", lwa.NA}, "br": {"BR", "https://www.amazon.com/ap/oa", lwa.NA},
		"gb": {"UK", "https://eu.account.amazon.com/ap/oa", lwa.EU}, "A1PA6795UKMFR9": {"DE", "https://eu.account.amazon.com/ap/oa", lwa.EU},
		"jp": {"JP", "https://apac.account.amazon.com/ap/oa", lwa.FE}, "A39IBJ37TRP1C6": {"AU", "https://apac.account.amazon.com/ap/oa", lwa.FE},
	} {
		m, err := lwa.ParseMarketplace(text)
		if err != nil || m != want.m || m.Region() != want.r || m.Endpoint().AuthorizeURL != want.page || m.Endpoint().APIURL != want.r.Endpoint().APIURL {
			t.Errorf("%s: %s, %s, %+v, %v; want %+v", text, m, m.Region(), m.Endpoint(), err, want)
		}
		if again, err := lwa.ParseMarketplace(m.ID()); err != nil || again != m {
			t.Errorf("%s: its ID %q is read as %q, %v", m, m.ID(), again, err)
		}
	}
	for _, text := range []string{"", "XX", "amazon.de", "a1pa6795ukmfr9", "DEU"} {
		if m, err := lwa.ParseMarketplace(text); err == nil {
			t.Errorf("%q is read as %q", text, m)
		}
	}
	if lwa.Marketplace("XX").Region() != lwa.NA || lwa.Marketplace("XX").ID() != "" {
		t.Error("an unknown marketplace is not taken for one of NA without an ID")
	}
}
