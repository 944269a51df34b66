package lwatest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// consentLife is how long a customer may look at the page.
const consentLife = 10 * time.Minute

// consentView is what the page shows.
type consentView struct {
	Client        string
	Model, Serial string
	Test, NonLive bool
	Scopes        []scopeView
	Customers     []Customer
	SignedIn      string

	// The page brings the request back, signed: nobody can post a consent that no
	// page has asked for, and the server needs to remember none.
	Query, Expires, Signature string
}

type scopeView struct {
	Name, Text string
	Voluntary  bool
}

// consentPage asks the customer.
func (s *Server) consentPage(q *request, a *authorization) reply {
	v := consentView{
		Client: a.client.Name, Model: a.data.model, Serial: a.data.serial, Test: a.data.test, NonLive: a.data.nonLive,
		Customers: s.Customers(), Query: a.query,
		Expires: strconv.FormatInt(q.now.Add(consentLife).Unix(), 10),
	}
	v.Signature = s.sign(v.Expires, v.Query)
	for _, scope := range a.scopes {
		v.Scopes = append(v.Scopes, scopeView{scope, scopes[scope], slices.Contains(a.data.voluntary, scope)})
	}
	s.mu.Lock()
	if c := s.st.signedIn(); c != nil {
		v.SignedIn = c.UserID
	}
	s.mu.Unlock()
	return reply{status: http.StatusOK, html: render("consent.html", v), outcome: "consent asked"}
}

// consented is POST /ap/oa/consent, the answer of the page.
func (s *Server) consented(q *request) reply {
	if q.bad != nil {
		return *s.badRequestPage("Malformed request", nil)
	}
	query, expires := q.params.Get("request"), q.params.Get("expires")
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || !hmac.Equal([]byte(s.sign(expires, query)), []byte(q.params.Get("signature"))) {
		return *s.badRequestPage("This answer belongs to no question of ours. Please sign in again from the start.", nil)
	}
	if q.now.Unix() >= until {
		return *s.badRequestPage("This page has waited too long. Please sign in again from the start.", nil)
	}
	a, bad := s.readAuthorization(q, query)
	if bad != nil {
		return *bad
	}
	v := Visitor{Customer: q.params.Get("customer")}
	switch q.params.Get("decision") {
	case "allow":
	case "deny":
		v.Deny = true
	default:
		return *s.badRequestPage("Please choose Allow or Deny.", nil)
	}
	for _, scope := range a.data.voluntary {
		if !slices.Contains(q.params["scope"], scope) {
			v.Untick = append(v.Untick, scope)
		}
	}
	return s.decide(q, a, v)
}

func (s *Server) sign(parts ...string) string {
	m := hmac.New(sha256.New, []byte(s.signing.Reveal()))
	m.Write([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(m.Sum(nil))
}
