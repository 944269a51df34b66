package lwatest

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// authorization is a request for consent that may be granted.
type authorization struct {
	query       string // as it came, for the page to bring back
	client      *client
	redirectURL string
	origin      string // of the page whose SDK has opened a window for this; "": no SDK
	state       string
	scopes      []string
	data        scopeData
	challenge   string
	method      string
}

// authorize is GET /ap/oa.
func (s *Server) authorize(q *request) reply {
	a, bad := s.readAuthorization(q, q.query)
	if bad != nil {
		return *bad
	}
	if q.sw.Consent == Ask {
		return s.consentPage(q, a)
	}
	return s.decide(q, a, Visitor{Deny: q.sw.Consent == Deny, dropVoluntary: q.sw.DropVoluntary})
}

// readAuthorization checks a request for consent: the client and its return URL first,
// since until they are known there is nowhere to send the browser to. A reply means
// that it is refused.
func (s *Server) readAuthorization(q *request, query string) (*authorization, *reply) {
	params, err := url.ParseQuery(query)
	if err != nil || len(query) > maxQuery {
		return nil, s.badRequestPage("Malformed request", params)
	}
	s.mu.Lock()
	k := s.st.clients[params.Get("client_id")]
	s.mu.Unlock()
	a := &authorization{query: query, client: k, redirectURL: params.Get("redirect_uri"), origin: params.Get(sdkOrigin), state: params.Get("state")}
	switch {
	case k == nil || len(params["client_id"]) > 1:
		return nil, s.badRequestPage("Unknown client_id", params)
	case a.origin != "" && !k.callableFrom(a.origin) || len(params[sdkOrigin]) > 1:
		return nil, s.badRequestPage("The page that opened this window is not on an allowed origin. Add its origin under "+
			"Allowed Origins in the Web Settings of your security profile.", params)
	case a.origin != "" && a.redirectURL == a.origin: // its code goes to a function of the page
	case !slices.Contains(k.RedirectURLs, a.redirectURL) || len(params["redirect_uri"]) > 1:
		return nil, s.badRequestPage("lwa-invalid-parameter-bad-redirect-uri-vendor: The redirect URI you provided "+
			"has not been whitelisted for your application. Add it under Allowed Return URLs in the Web Settings of "+
			"your security profile.", params)
	}
	r := a.read(q, params)
	switch {
	case r == nil:
		return a, nil
	case q.sw.UnknownScopePage && *r == unknownScope:
		return nil, s.badRequestPage(r.description, params)
	}
	p := a.refuse(q, *r)
	return nil, &p
}

// read checks everything that a redirect can complain about.
func (a *authorization) read(q *request, params url.Values) *refusal {
	if bad := q.repeated(params); bad != nil {
		return bad
	}
	for _, name := range []string{"response_type", "scope"} {
		if params.Get(name) == "" {
			r := missingParam(name)
			return &r
		}
	}
	if params.Get("response_type") != "code" {
		return &refusal{400, "unsupported_response_type", "The response type is not supported by the authorization server", ""}
	}
	if !a.client.may(typeCode) {
		return &unauthorizedClient
	}
	var ok bool
	if a.scopes, ok = readScopes(params.Get("scope"), a.client.Scopes); !ok {
		return &unknownScope
	}
	var bad *refusal
	if a.data, bad = readScopeData(a.scopes, params.Get("scope_data")); bad != nil {
		return bad
	}
	return a.readChallenge(q, params)
}

// What challenges are made of. Lengths are counted beside such expressions: one that counts
// is as large as its count, which every start would wait for.
var (
	base64URL  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	unreserved = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
)

// isHashed reports whether s can be a challenge of the method S256. Source: RFC 7636 §4.2.
func isHashed(s string) bool { return len(s) == 43 && base64URL.MatchString(s) }

// isVerifier reports whether text can be a verifier, or a plain challenge. Source: RFC 7636 §4.1.
func (s *Switches) isVerifier(text string) bool {
	return (s.AnyVerifierLength || 43 <= len(text) && len(text) <= 128) && unreserved.MatchString(text)
}

func (a *authorization) readChallenge(q *request, params url.Values) *refusal {
	a.challenge, a.method = params.Get("code_challenge"), params.Get("code_challenge_method")
	badChallenge, badMethod := invalidParam("code_challenge"), invalidParam("code_challenge_method")
	switch {
	case a.challenge == "" && a.method == "":
		return nil
	case a.challenge == "":
		r := missingParam("code_challenge")
		return &r
	case a.method == "":
		a.method = "plain"
	}
	switch {
	case a.method != "S256" && (a.method != "plain" || !q.sw.PlainChallenge):
		return &badMethod
	case a.method == "S256" && !isHashed(a.challenge), !q.sw.isVerifier(a.challenge):
		return &badChallenge
	}
	return nil
}

// decide does what the customer says.
func (s *Server) decide(q *request, a *authorization, v Visitor) reply {
	if v.Deny {
		return a.refuse(q, notPermitted)
	}
	granted := v.agrees(a.scopes, a.data)
	if len(granted) == 0 {
		return a.refuse(q, notPermitted)
	}
	g, text, bad := s.grant(q, a, v.Customer, granted)
	if bad != nil {
		return a.refuse(q, *bad)
	}
	if s.options.Granted != nil {
		s.options.Granted(g)
	}
	return a.redirect(q, url.Values{"code": {text}, "scope": {strings.Join(granted, " ")}}, "code issued")
}

// agrees returns the scopes that the visitor grants.
func (v Visitor) agrees(scopes []string, data scopeData) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool {
		return slices.Contains(data.voluntary, scope) && (v.dropVoluntary || slices.Contains(v.Untick, scope))
	})
}

// grant makes a grant and its code.
func (s *Server) grant(q *request, a *authorization, customer string, granted []string) (Grant, string, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, bad := s.newGrant(q, typeCode, a.client.ID, customer, granted, a.data)
	if bad != nil {
		return Grant{}, "", bad
	}
	text := newCode()
	g.Code = code{
		Digest: digestOf(text), RedirectURL: a.redirectURL, Challenge: a.challenge, Method: a.method,
		Expiry: q.now.Add(time.Duration(q.sw.CodeLife)),
	}
	if err := s.commit(s.grantChange(g)); err != nil {
		return Grant{}, "", &serverTrouble
	}
	return g.view(), text, nil
}

// newGrant makes the grant that a customer has agreed to, "" being who is signed in.
// s.mu is held.
func (s *Server) newGrant(q *request, kind, clientID, customer string, scopes []string, data scopeData) (*grant, *refusal) {
	who := s.st.signedIn()
	if customer != "" {
		who = s.st.customer(customer)
	}
	if who == nil {
		return nil, &notPermitted
	}
	if room, err := s.makeRoom(q.now); err != nil || !room {
		return nil, &full
	}
	return &grant{Grant: Grant{
		ID: newGrantID(), Type: kind, ClientID: clientID, Customer: who.UserID, Scopes: scopes,
		ScopeData: data.raw, DeviceModel: data.model, Serial: data.serial,
		TestDevice: data.test, NonLive: data.nonLive, At: q.now,
	}}, nil
}

// refuse sends the browser back with an error.
func (a *authorization) refuse(q *request, r refusal) reply {
	code := r.code
	if r == serverTrouble {
		code = "server_error"
	}
	return a.redirect(q, url.Values{"error": {code}, "error_description": {r.description}}, r.outcome())
}

// redirect sends the browser back, or tells the page that has opened the window. Amazon has been seen to write spaces as %20 when the
// customer refuses and as + else, so clients have to read both.
func (a *authorization) redirect(q *request, params url.Values, outcome string) reply {
	if a.origin != "" {
		return a.tell(q, params, outcome)
	}
	query := params.Encode()
	if params.Get("error") == notPermitted.code {
		query = strings.ReplaceAll(query, "+", "%20")
	}
	if state := a.echo(q); state != "" {
		query += "&state=" + url.QueryEscape(state)
	}
	separator := "?"
	if strings.Contains(a.redirectURL, "?") {
		separator = "&"
	}
	return reply{status: http.StatusFound, location: a.redirectURL + separator + query, outcome: outcome}
}

// echo is what comes back as state, "" for nothing.
func (a *authorization) echo(q *request) string {
	switch q.sw.State {
	case OmitState:
		return ""
	case AlterState:
		return a.state + "x"
	}
	return a.state
}
