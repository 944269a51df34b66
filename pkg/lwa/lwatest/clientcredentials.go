package lwatest

import (
	"regexp"
	"slices"
	"strings"
)

// ownScopes are those that clients are known to be granted for themselves.
//
// Source: developer.amazon.com/docs/app-submission-api/auth.html,
// reports-promo/API-access.html, adm/request-access-token.html,
// developer-docs.amazon.com/sp-api/docs/grantless-operations, and Alexa's SDKs.
var ownScopes = []string{
	scopeAppstore,
	scopeReporting,
	"messaging:push",
	"alexa::proactive_events",
	"alexa:skill_messaging",
	"sellingpartnerapi::notifications",
	"sellingpartnerapi::client_credential:rotation",
	"sellingpartnerapi::shipments:track",
}

var scopeCharacters = regexp.MustCompile(`^[!#-\[\]-~]+$`)

// isScope reports whether s can be a scope. Source: RFC 6749 §3.3.
func isScope(s string) bool { return len(s) <= 200 && scopeCharacters.MatchString(s) }

// clientCredentials is the grant type client_credentials. s.mu is held.
func (s *Server) clientCredentials(q *request) (reply, *refusal) {
	if bad := q.require("scope", "client_id"); bad != nil {
		return reply{}, bad
	}
	k, proven, bad := s.authenticate(q)
	switch {
	case bad != nil:
		return reply{}, bad
	case len(k.Secrets) == 0 || !k.may(typeClient):
		return reply{}, &unauthorizedClient
	case !proven:
		return reply{}, &invalidClient
	}
	scopes, ok := k.readOwnScopes(q.params.Get("scope"))
	if !ok {
		return reply{}, &invalidScope
	}
	if old := s.st.grants[s.st.own[ownKey(k.ID, scopes)]]; old != nil {
		g := *old
		return s.issue(q, &g, false)
	}
	if room, err := s.makeRoom(q.now); err != nil || !room {
		return reply{}, &full
	}
	g := &grant{Grant: Grant{ID: newGrantID(), Type: typeClient, ClientID: k.ID, Scopes: scopes, At: q.now}}
	return s.issue(q, g, false)
}

// readOwnScopes splits and checks what a client asks for itself.
func (c *client) readOwnScopes(text string) ([]string, bool) {
	allowed := c.OwnScopes
	if allowed == nil {
		allowed = ownScopes
	}
	var asked []string
	for _, scope := range strings.Fields(text) {
		if !slices.Contains(allowed, scope) {
			return nil, false
		}
		if !slices.Contains(asked, scope) {
			asked = append(asked, scope)
		}
	}
	return asked, len(asked) > 0
}

// ownKey tells what a client was granted for itself apart: a client that asks for the
// same scopes again gets another token of the same grant.
func ownKey(clientID string, scopes []string) string {
	scopes = slices.Clone(scopes)
	slices.Sort(scopes)
	return clientID + " " + strings.Join(scopes, " ")
}
