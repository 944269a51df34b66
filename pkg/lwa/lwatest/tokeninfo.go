package lwatest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// issuer is what Amazon calls itself in tokeninfo.
const issuer = "https://www.amazon.com"

type tokenInfoBody struct {
	Issuer   string `json:"iss"`
	UserID   string `json:"user_id,omitempty"` // none where no customer is behind the token
	Audience string `json:"aud"`
	AppID    string `json:"app_id"`
	Expires  int64  `json:"exp"` // seconds left
	Issued   int64  `json:"iat"` // Unix seconds
}

// tokenInfo is GET /auth/o2/tokeninfo.
func (s *Server) tokenInfo(q *request) reply {
	token, bad := q.accessToken(false)
	if bad != nil {
		return q.refuse(*bad)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, a, ok := s.lookup(token)
	if !ok || g.Type == typeClient && q.sw.ClientTokenInfoRefused {
		return q.refuse(badToken)
	}
	body := tokenInfoBody{
		Issuer: issuer, UserID: g.Customer, Audience: g.ClientID,
		Expires: int64(a.Expiry.Sub(q.now) / time.Second), Issued: a.Issued.Unix(),
	}
	if k := s.st.clients[g.ClientID]; k != nil {
		body.AppID = k.AppID
	}
	return reply{status: http.StatusOK, json: body, outcome: "told"}
}

type profileBody struct {
	UserID     string `json:"user_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Name       string `json:"name,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
}

// profile is GET /user/profile. What it tells depends on the scopes granted.
func (s *Server) profile(q *request) reply {
	token, bad := q.accessToken(true)
	if bad != nil {
		return q.refuse(*bad)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _, ok := s.lookup(token)
	if !ok {
		return q.refuse(badToken)
	}
	c := s.st.customer(g.Customer)
	if c == nil {
		c = &Customer{UserID: g.Customer}
	}
	var body profileBody
	if slices.Contains(g.Scopes, scopeProfile) {
		body = profileBody{UserID: c.UserID, Email: c.Email, Name: c.Name}
	}
	if slices.Contains(g.Scopes, scopeUserID) {
		body.UserID = c.UserID
	}
	if slices.Contains(g.Scopes, scopePostalCode) {
		body.PostalCode = c.PostalCode
	}
	if body == (profileBody{}) {
		return q.refuse(insufficientScope)
	}
	return reply{status: http.StatusOK, json: body, outcome: "told"}
}

// accessToken finds the token of a request: in the query, in Amazon's own header, or,
// where bearer says so, in the Authorization header.
func (q *request) accessToken(bearer bool) (string, *refusal) {
	if q.bad != nil {
		return "", q.bad
	}
	if bad := q.repeated(q.params); bad != nil {
		return "", bad
	}
	token := q.params.Get("access_token")
	if token == "" {
		token = q.header.Get("x-amz-access-token")
	}
	scheme, rest, _ := strings.Cut(q.header.Get("Authorization"), " ")
	if token == "" && bearer && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		bad := missingParam("access_token")
		return "", &bad
	}
	return token, nil
}
