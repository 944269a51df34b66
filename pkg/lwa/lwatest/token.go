package lwatest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The grant types.
const (
	typeCode    = "authorization_code"
	typeRefresh = "refresh_token"
	typeClient  = "client_credentials"
	typeDevice  = "device_code"
)

// grantTypes are those that the journal names and faults can be about.
var grantTypes = []string{typeCode, typeRefresh, typeClient, typeDevice}

// token is POST /auth/o2/token. The order of the checks is fixed: content type, grant
// type, required parameters, client, shape, grant, verifier.
func (s *Server) token(q *request) reply {
	if q.bad != nil {
		return q.refuse(*q.bad)
	}
	p, bad := s.tokenGrant(q)
	if bad != nil {
		return q.refuse(*bad)
	}
	return p
}

func (s *Server) tokenGrant(q *request) (reply, *refusal) {
	kind := q.params.Get("grant_type")
	if !slices.Contains(grantTypes, kind) {
		return reply{}, &unsupportedGrantType
	}
	if bad := q.repeated(q.params); bad != nil {
		return reply{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind {
	case typeCode:
		return s.exchange(q)
	case typeClient:
		return s.clientCredentials(q)
	case typeDevice:
		return s.poll(q)
	default:
		return s.refresh(q)
	}
}

// require returns the refusal for the first parameter that is missing or empty.
func (q *request) require(names ...string) *refusal {
	for _, name := range names {
		if q.params.Get(name) == "" && (name != "client_id" || q.clientID() == "") {
			bad := missingParam(name)
			return &bad
		}
	}
	return nil
}

// authenticate finds the client. proven says that it sent a secret that works; whether
// one is needed depends on the grant.
func (s *Server) authenticate(q *request) (k *client, proven bool, bad *refusal) {
	k = s.st.clients[q.clientID()]
	if k == nil || q.basic && !q.sw.BasicAuth {
		return nil, false, &invalidClient
	}
	secret, sent := q.params.Get("client_secret"), q.params.Has("client_secret")
	if secret == "" && len(k.Secrets) == 0 {
		sent = false // a public client's library that always writes one
	}
	if q.basic {
		if sent && secret != q.basicKey || q.clientID() != q.basicID {
			return nil, false, &invalidClient
		}
		secret, sent = q.basicKey, true
	}
	if sent && !k.accepts(secret, q.now) {
		return nil, false, &invalidClient
	}
	return k, sent, nil
}

// refresh is the grant type refresh_token. s.mu is held.
func (s *Server) refresh(q *request) (reply, *refusal) {
	if bad := q.require("refresh_token", "client_id"); bad != nil {
		return reply{}, bad
	}
	k, proven, bad := s.authenticate(q)
	if bad != nil {
		return reply{}, bad
	}
	brought := digestOf(q.params.Get("refresh_token"))
	old := s.st.grants[s.st.refresh[brought]]
	switch {
	case old == nil || old.ClientID != k.ID || q.sw.RefreshLife > 0 && !q.now.Before(old.At.Add(time.Duration(q.sw.RefreshLife))):
		return reply{}, &revokedToken
	case old.Secret && !proven:
		return reply{}, &invalidClient
	}
	g := *old
	return s.issue(q, &g, true)
}

// tokenBody is the answer that carries tokens, in the order of Amazon's pages.
type tokenBody struct {
	AccessToken  string `json:"access_token"`
	Scope        string `json:"scope,omitempty"`
	TokenType    string `json:"token_type"`
	ExpiresIn    any    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// issue makes an access token for g, the next version of a grant, and a refresh token
// where one is due. Both are kept, with what else changes, before they are told.
// s.mu is held.
func (s *Server) issue(q *request, g *grant, withRefresh bool, also ...change) (reply, *refusal) {
	life := time.Duration(q.sw.AccessLife)
	prefix := accessPrefix
	if g.Type == typeClient {
		prefix = clientPrefix
	}
	body := tokenBody{
		AccessToken: newToken(prefix, q.sw.LongTokens),
		TokenType:   q.sw.TokenType,
	}
	if g.Type == typeClient || q.sw.ScopeAlways {
		body.Scope = strings.Join(g.Scopes, " ")
	}
	if withRefresh {
		body.RefreshToken = g.nextRefresh(q)
	}
	seconds := int64((life - time.Duration(q.sw.ExpiresInLess)) / time.Second)
	body.ExpiresIn = seconds
	if q.sw.ExpiresInText {
		body.ExpiresIn = strconv.FormatInt(seconds, 10)
	}
	g.Exchanged, g.Expiry = true, q.now.Add(life)
	if g.Issued++; q.sw.OneAccessToken {
		g.Oldest = g.Issued
	}
	a := access{Grant: g.ID, Issued: q.now, Expiry: g.Expiry, Number: g.Issued}
	changes := append(s.oldAccess(q.now), s.grantChange(g), s.accessChange(digestOf(body.AccessToken), a))
	changes = append(changes, also...)
	if err := s.commit(changes...); err != nil {
		return reply{}, &serverTrouble
	}
	return reply{status: http.StatusOK, json: body, outcome: "issued"}, nil
}

// nextRefresh returns the refresh token to tell: of an exchange a first one, of a refresh
// what the switch says.
func (g *grant) nextRefresh(q *request) string {
	brought := q.params.Get("refresh_token")
	first := len(g.Refresh) == 0
	switch {
	case !first && q.sw.RefreshRotation == Same:
		return brought
	case !first && q.sw.RefreshRotation == Withheld:
		return ""
	}
	text := newToken(refreshPrefix, q.sw.LongTokens)
	var kept []digest
	for _, d := range g.Refresh {
		if q.sw.RefreshRotation == NewOldDies && d == digestOf(brought) {
			continue
		}
		kept = append(kept, d)
	}
	if len(kept) == maxRefresh {
		kept = kept[1:]
	}
	g.Refresh = append(kept, digestOf(text))
	return text
}

func (s *Server) accessChange(d digest, a access) change {
	return change{key: keyAccess, digest: &d, value: a, apply: func() {
		s.st.access[d] = a
		s.st.queue = append(s.st.queue, d)
	}}
}

// oldAccess forgets a few access tokens that have been dead for a while, so that as
// many go as come, and the oldest one when there are too many.
func (s *Server) oldAccess(now time.Time) []change {
	const few, aWhile = 4, 24 * time.Hour
	var drop []change
	for i, d := range s.st.queue[:min(few, len(s.st.queue))] {
		if now.Before(s.st.access[d].Expiry.Add(aWhile)) && (i > 0 || len(s.st.queue) < s.maxAccess) {
			break
		}
		drop = append(drop, change{key: keyAccess, digest: &d, apply: func() {
			delete(s.st.access, d)
			s.st.queue = s.st.queue[1:]
		}})
	}
	return drop
}
