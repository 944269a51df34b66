package lwatest_test

import (
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// The pair is Amazon's printed sample.
const (
	verifier  = "5CFCAiZC0g0OA-jmBmmjTBZiyPCQsnq_2q5k9fD-aAY"
	challenge = "Fw7s3XHRVb2m1nT7s646UrYiYLMJ54as0ZIU_injyqw"
)

// TestProof has every way of saying whom a code is for, and what it gives.
func TestProof(t *testing.T) {
	type outcome int
	const (
		both     outcome = iota // access and refresh token
		access                  // an access token alone
		dead                    // unauthorized_client
		noClient                // invalid_client
	)
	s256 := []string{"code_challenge", challenge, "code_challenge_method", "S256"}
	byDefault := func(*lwatest.Switches) {}
	for _, tt := range []struct {
		name      string
		set       func(*lwatest.Switches)
		challenge []string
		client    string // "": confidential, with its secret
		verifier  string
		want      outcome
	}{
		{"secret", byDefault, nil, "", "", both},
		{"secret and verifier", byDefault, s256, "", verifier, both},
		{"verifier of a public client", byDefault, s256, publicID, verifier, both},
		{"verifier of a confidential client", byDefault, s256, clientID, verifier, both},
		{"verifier, no refresh token for it", func(sw *lwatest.Switches) { sw.RefreshTokenWithoutSecret = false }, s256, publicID, verifier, access},
		{"secret and verifier, no refresh token for it alone", func(sw *lwatest.Switches) { sw.RefreshTokenWithoutSecret = false }, s256, "", verifier, both},
		{"nothing", byDefault, nil, clientID, "", access},
		{"nothing, public", byDefault, nil, publicID, "", access},
		{"nothing, not taken", func(sw *lwatest.Switches) { sw.ExchangeWithoutProof = false }, nil, clientID, "", noClient},
		{"missing verifier", byDefault, s256, publicID, "", dead},
		{"missing verifier with the secret", byDefault, s256, "", "", dead},
		{"missing verifier, secret will do", func(sw *lwatest.Switches) { sw.VerifierOptionalWithSecret = true }, s256, "", "", both},
		{"missing verifier, secret would do", func(sw *lwatest.Switches) { sw.VerifierOptionalWithSecret = true }, s256, publicID, "", dead},
		{"wrong verifier", byDefault, s256, publicID, verifier[1:] + "x", dead},
		{"wrong verifier with the secret", byDefault, s256, "", verifier[1:] + "x", dead},
		{"challenge as verifier", byDefault, s256, publicID, challenge, dead},
		{"verifier too short", byDefault, []string{"code_challenge", verifier}, publicID, verifier[:42], dead},
		{"verifier too short for its own challenge", byDefault, []string{"code_challenge", lwa.Challenge(lwa.NewSecret(verifier[:42])), "code_challenge_method", "S256"}, publicID, verifier[:42], dead},
		{"plain", byDefault, []string{"code_challenge", verifier, "code_challenge_method", "plain"}, publicID, verifier, both},
		{"plain by default", byDefault, []string{"code_challenge", verifier}, publicID, verifier, both},
		{"plain, verifier of the S256", byDefault, []string{"code_challenge", challenge}, publicID, verifier, dead},
		{"verifier without challenge", byDefault, nil, "", verifier, dead},
		{"verifier without challenge, taken", func(sw *lwatest.Switches) { sw.StrayVerifier = true }, nil, "", verifier, both},
		{"verifier without challenge is no proof", func(sw *lwatest.Switches) { sw.StrayVerifier = true }, nil, publicID, verifier, access},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, tt.set)
			id := tt.client
			change := []string{"code_verifier", tt.verifier}
			if id != "" {
				change = append(change, "client_id", id, "client_secret", "")
			} else {
				id = clientID
			}
			code := visit(t, srv, append([]string{"client_id", id}, tt.challenge...)...).Get("code")
			a := post(t, srv, exchangeForm(code, change...))
			switch tt.want {
			case dead:
				wantRefusal(t, a, 400, "unauthorized_client", notAuthorized)
				again := post(t, srv, exchangeForm(code, append(change, "code_verifier", verifier)...))
				wantRefusal(t, again, 400, "invalid_grant", badCode)
			case noClient:
				wantRefusal(t, a, 401, "invalid_client", badClient)
			default:
				wantTokens(t, a)
				if got := a.str("refresh_token") != ""; got != (tt.want == both) {
					t.Errorf("refresh token: %t, want %t", got, tt.want == both)
				}
			}
		})
	}
}

func TestVerifierErrorSwitch(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.VerifierError = "invalid_grant" })
	code := visit(t, srv, "code_challenge", challenge, "code_challenge_method", "S256").Get("code")
	a := post(t, srv, exchangeForm(code, "code_verifier", strings.Repeat("x", 43)))
	wantRefusal(t, a, 400, "invalid_grant", "The request has an invalid grant parameter : code_verifier")
}

// TestRefreshWithoutSecret: a grant made without the secret is refreshed without it.
func TestRefreshWithoutSecret(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv, "code_challenge", challenge, "code_challenge_method", "S256").Get("code")
	a := wantTokens(t, post(t, srv, exchangeForm(code, "client_secret", "", "code_verifier", verifier)))
	wantTokens(t, post(t, srv, refreshForm(a.str("refresh_token"), "client_secret", "")))
	wantTokens(t, post(t, srv, refreshForm(a.str("refresh_token"))))
	wantRefusal(t, post(t, srv, refreshForm(a.str("refresh_token"), "client_secret", "wrong")), 401, "invalid_client", badClient)
}
