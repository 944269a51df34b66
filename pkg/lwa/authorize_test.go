package lwa_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
)

func TestAuthCodeURL(t *testing.T) {
	c := &lwa.Client{ClientID: "amzn1.application-oa2-client.0", RedirectURL: "https://app.example.com/cb?x=1"}
	got, err := c.AuthCodeURL(lwa.AuthRequest{
		State:  "s t&te",
		Scopes: []string{"dash:replenish", "profile"},
		ScopeData: map[string]any{
			"dash:replenish": map[string]any{"device_model": "VAC", "serial": "A+1", "is_test_device": true},
		},
		CodeChallenge: "Fw7s3XHRVb2m1nT7s646UrYiYLMJ54as0ZIU_injyqw",
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if page := u.Scheme + "://" + u.Host + u.Path; page != "https://www.amazon.com/ap/oa" {
		t.Errorf("AuthCodeURL() page = %s, want Amazon's", page)
	}
	want := url.Values{
		"client_id":             {"amzn1.application-oa2-client.0"},
		"redirect_uri":          {"https://app.example.com/cb?x=1"},
		"response_type":         {"code"},
		"scope":                 {"dash:replenish profile"},
		"scope_data":            {`{"dash:replenish":{"device_model":"VAC","is_test_device":true,"serial":"A+1"}}`},
		"state":                 {"s t&te"},
		"code_challenge":        {"Fw7s3XHRVb2m1nT7s646UrYiYLMJ54as0ZIU_injyqw"},
		"code_challenge_method": {"S256"},
	}
	if diff := cmp.Diff(want, u.Query()); diff != "" {
		t.Errorf("AuthCodeURL() parameters (-want +got):\n%s", diff)
	}
}

func TestAuthCodeURLLeavesOut(t *testing.T) {
	c := &lwa.Client{ClientID: "id", RedirectURL: "https://app.example.com/cb", Endpoint: lwa.FE.Endpoint()}
	got, err := c.AuthCodeURL(lwa.AuthRequest{State: "s", Scopes: []string{"profile"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "https://apac.account.amazon.com/ap/oa?client_id=id&" +
		"redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&response_type=code&scope=profile&state=s"
	if got != want {
		t.Errorf("AuthCodeURL() = %s, want %s", got, want)
	}
}

func TestAuthCodeURLRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*lwa.Client, *lwa.AuthRequest)
		want   string
	}{
		{"no client ID", func(c *lwa.Client, _ *lwa.AuthRequest) { c.ClientID = "" }, "ClientID is empty"},
		{"long client ID", func(c *lwa.Client, _ *lwa.AuthRequest) { c.ClientID = strings.Repeat("x", 101) }, "over 100 bytes"},
		{"no redirect URL", func(c *lwa.Client, _ *lwa.AuthRequest) { c.RedirectURL = "" }, "RedirectURL is empty"},
		{"no state", func(_ *lwa.Client, r *lwa.AuthRequest) { r.State = "" }, "State is empty"},
		{"no scope", func(_ *lwa.Client, r *lwa.AuthRequest) { r.Scopes = nil }, "no scope"},
		{"empty scope", func(_ *lwa.Client, r *lwa.AuthRequest) { r.Scopes = []string{""} }, "scope"},
		{"two scopes in one", func(_ *lwa.Client, r *lwa.AuthRequest) { r.Scopes = []string{"a b"} }, "without spaces"},
		{"scope data no object", func(_ *lwa.Client, r *lwa.AuthRequest) { r.ScopeData = []int{1} }, "no JSON object"},
		{"scope data no JSON", func(_ *lwa.Client, r *lwa.AuthRequest) { r.ScopeData = json.RawMessage("{") }, "ScopeData"},
		{"challenge too short", func(_ *lwa.Client, r *lwa.AuthRequest) { r.CodeChallenge = "abc" }, "S256"},
		{"challenge with a newline", func(_ *lwa.Client, r *lwa.AuthRequest) { r.CodeChallenge = strings.Repeat("a", 42) + "\n" }, "S256"},
		{"challenge of no verifier", func(_ *lwa.Client, r *lwa.AuthRequest) { r.CodeChallenge = lwa.Challenge(lwa.Secret{}) }, "empty verifier"},
		{"page no URL", func(c *lwa.Client, _ *lwa.AuthRequest) { c.Endpoint.AuthorizeURL = "amazon" }, "absolute URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &lwa.Client{ClientID: "id", RedirectURL: "https://app.example.com/cb"}
			r := lwa.AuthRequest{State: "s", Scopes: []string{"profile"}}
			tt.change(c, &r)
			got, err := c.AuthCodeURL(r)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("AuthCodeURL() = %q, %v, want an error about %q", got, err, tt.want)
			}
		})
	}
}

func TestRegions(t *testing.T) {
	for _, tt := range []struct {
		text           string
		want           lwa.Region
		authorize, api string
	}{
		{"na", lwa.NA, "https://www.amazon.com/ap/oa", "https://api.amazon.com"},
		{"EU", lwa.EU, "https://eu.account.amazon.com/ap/oa", "https://api.amazon.co.uk"},
		{"fe", lwa.FE, "https://apac.account.amazon.com/ap/oa", "https://api.amazon.co.jp"},
	} {
		r, err := lwa.ParseRegion(tt.text)
		if err != nil || r != tt.want {
			t.Errorf("ParseRegion(%q) = %q, %v, want %q", tt.text, r, err, tt.want)
		}
		if got, want := r.Endpoint(), (lwa.Endpoint{AuthorizeURL: tt.authorize, APIURL: tt.api}); got != want {
			t.Errorf("%s.Endpoint() = %+v, want %+v", r, got, want)
		}
	}
	for _, bad := range []string{"", "us", "na ", "xx"} {
		if r, err := lwa.ParseRegion(bad); err == nil {
			t.Errorf("ParseRegion(%q) = %q, want an error", bad, r)
		}
	}
	if got := lwa.Region("").Endpoint(); got != lwa.NA.Endpoint() {
		t.Errorf("the zero region's endpoint = %+v, want that of NA", got)
	}
}

// The vectors are Amazon's own sample and that of RFC 7636, appendix B.
func TestChallenge(t *testing.T) {
	for verifier, want := range map[string]string{
		"5CFCAiZC0g0OA-jmBmmjTBZiyPCQsnq_2q5k9fD-aAY": "Fw7s3XHRVb2m1nT7s646UrYiYLMJ54as0ZIU_injyqw",
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
	} {
		if got := lwa.Challenge(lwa.NewSecret(verifier)); got != want {
			t.Errorf("Challenge(%s) = %s, want %s", verifier, got, want)
		}
	}
}

func TestNewVerifier(t *testing.T) {
	a, b := lwa.NewVerifier().Reveal(), lwa.NewVerifier().Reveal()
	if a == b {
		t.Error("two verifiers are the same")
	}
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	if len(a) < 43 || len(a) > 128 || strings.Trim(a, allowed) != "" {
		t.Errorf("NewVerifier() = %q, want 43 to 128 characters of RFC 7636", a)
	}
}
