package lwatest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// exchange is the grant type authorization_code. s.mu is held.
func (s *Server) exchange(q *request) (reply, *refusal) {
	required := []string{"code", "client_id", "redirect_uri"}
	if q.sw.RedirectURLOptional {
		required = required[:2]
	}
	if bad := q.require(required...); bad != nil {
		return reply{}, bad
	}
	k, proven, bad := s.authenticate(q)
	switch {
	case bad != nil:
		return reply{}, bad
	case !k.may(typeCode):
		return reply{}, &unauthorizedClient
	}
	text := q.params.Get("code")
	if len(text) < minCode || len(text) > maxCode {
		r := invalidParam("code")
		return reply{}, &r
	}
	old, bad := s.redeemable(q, k, text)
	if bad != nil {
		return reply{}, bad
	}
	g := *old
	g.Code.Used, g.Secret = true, proven
	if bad := g.checkProof(q, proven); bad != nil {
		if *bad == invalidClient || q.sw.FailedExchangeKeepsCode {
			return reply{}, bad
		}
		if err := s.commit(s.grantChange(&g)); err != nil { // the attempt has used the code up
			return reply{}, &serverTrouble
		}
		return reply{}, bad
	}
	withRefresh := proven || g.Code.Challenge != "" && q.sw.RefreshTokenWithoutSecret
	return s.issue(q, &g, withRefresh)
}

// redeemable finds the grant of a code that can be exchanged.
func (s *Server) redeemable(q *request, k *client, text string) (*grant, *refusal) {
	bad := invalidGrant("code")
	g := s.st.grants[s.st.codes[digestOf(text)]]
	switch {
	case g == nil, g.ClientID != k.ID, !g.Revoked.IsZero():
		return nil, &bad
	case g.Code.Used:
		if q.sw.CodeReuseRevokes {
			ended, err := s.revoke(Match{ID: g.ID})
			if err != nil {
				return nil, &serverTrouble
			}
			q.after = append(q.after, func() { s.tellRevoked(ended) })
		}
		return nil, &bad
	case !q.now.Before(g.Code.Expiry):
		return nil, &bad
	}
	return g, nil
}

// checkProof checks the return URL, and that whoever brings the code is whom it was
// made for: by secret, by verifier, or both.
func (g *grant) checkProof(q *request, proven bool) *refusal {
	verifier := q.params.Get("code_verifier")
	badRedirect, badVerifier := invalidGrant("redirect_uri"), q.badVerifier()
	if q.params.Has("redirect_uri") && q.params.Get("redirect_uri") != g.Code.RedirectURL {
		return &badRedirect
	}
	switch {
	case g.Code.Challenge == "" && verifier != "" && !q.sw.StrayVerifier:
		return &badVerifier
	case g.Code.Challenge == "" && !proven && !q.sw.ExchangeWithoutProof:
		return &invalidClient
	case g.Code.Challenge == "":
		return nil
	case verifier == "" && proven && q.sw.VerifierOptionalWithSecret:
		return nil
	case !g.Code.verifiedBy(verifier, q.sw):
		return &badVerifier
	}
	return nil
}

func (q *request) badVerifier() refusal {
	if q.sw.VerifierError == "invalid_grant" {
		return invalidGrant("code_verifier")
	}
	r := unauthorizedClient
	r.about = "code_verifier"
	return r
}

// verifiedBy reports whether a verifier is the one behind the code's challenge.
func (c code) verifiedBy(verifier string, sw *Switches) bool {
	if !sw.isVerifier(verifier) {
		return false
	}
	if c.Method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(verifier), []byte(c.Challenge)) == 1
}
