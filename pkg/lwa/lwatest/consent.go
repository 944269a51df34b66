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
	Action        string // where the form goes
	Client        string
	Model, Serial string
	Test, NonLive bool
	Scopes        []scopeView
	Customers     []Customer
	SignedIn      string

	// The page brings the request back, signed: nobody can post a consent that no
	// page has asked for, and the server needs to remember none. Of a device it is the
	// user code that comes back.
	Query, UserCode, Expires, Signature string
}

type scopeView struct {
	Name, Text string
	Voluntary  bool
}

// consentPage asks the customer.
func (s *Server) consentPage(q *request, a *authorization) reply {
	v := consentView{Action: "oa/consent", Query: a.query}
	return s.ask(q, v, a.client, a.scopes, a.data, v.Query)
}

// ask fills in the page and signs what it is about.
func (s *Server) ask(q *request, v consentView, k *client, asked []string, data scopeData, about ...string) reply {
	v.Client, v.Model, v.Serial, v.Test, v.NonLive = k.Name, data.model, data.serial, data.test, data.nonLive
	v.Customers = s.Customers()
	v.Expires = strconv.FormatInt(q.now.Add(consentLife).Unix(), 10)
	v.Signature = s.sign(append([]string{v.Expires}, about...)...)
	for _, scope := range asked {
		v.Scopes = append(v.Scopes, scopeView{scope, scopes[scope], slices.Contains(data.voluntary, scope)})
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
	query := q.params.Get("request")
	if bad := s.checkAnswer(q, query); bad != nil {
		return *bad
	}
	a, bad := s.readAuthorization(q, query)
	if bad != nil {
		return *bad
	}
	v, bad := s.visitor(q, a.data)
	if bad != nil {
		return *bad
	}
	return s.decide(q, a, v)
}

// checkAnswer checks that the page has asked what is answered, and not long ago.
func (s *Server) checkAnswer(q *request, about ...string) *reply {
	expires := q.params.Get("expires")
	until, err := strconv.ParseInt(expires, 10, 64)
	signature := s.sign(append([]string{expires}, about...)...)
	if err != nil || !hmac.Equal([]byte(signature), []byte(q.params.Get("signature"))) {
		return s.badRequestPage("This answer belongs to no question of ours. Please sign in again from the start.", nil)
	}
	if q.now.Unix() >= until {
		return s.badRequestPage("This page has waited too long. Please sign in again from the start.", nil)
	}
	return nil
}

// visitor reads what the customer has answered.
func (s *Server) visitor(q *request, data scopeData) (Visitor, *reply) {
	v := Visitor{Customer: q.params.Get("customer")}
	switch q.params.Get("decision") {
	case "allow":
	case "deny":
		v.Deny = true
	default:
		return v, s.badRequestPage("Please choose Allow or Deny.", nil)
	}
	for _, scope := range data.voluntary {
		if !slices.Contains(q.params["scope"], scope) {
			v.Untick = append(v.Untick, scope)
		}
	}
	return v, nil
}

func (s *Server) sign(parts ...string) string {
	m := hmac.New(sha256.New, []byte(s.signing.Reveal()))
	m.Write([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(m.Sum(nil))
}
