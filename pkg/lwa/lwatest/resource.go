package lwatest

import (
	"net/http"
	"slices"
	"strings"
)

// The scopes of the Appstore's APIs, which clients are granted for themselves.
const (
	scopeAppstore  = "appstore::apps:readwrite"
	scopeReporting = "adx_reporting::appstore:marketer"
)

// notAuthorized is how the Appstore's APIs refuse a token that has expired, and any
// other that they can't take.
//
// Source: developer.amazon.com/docs/app-submission-api/auth.html
const notAuthorized = "Request is not authorized."

type messageBody struct {
	Message string `json:"message"`
}

// appstoreBody is the sandbox's own: it tells what the API knows of the caller.
type appstoreBody struct {
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes"`
}

// appstore stands for any of the Appstore's APIs, as far as their tokens go.
func (s *Server) appstore(q *request) reply {
	g, ok := s.bearer(q.header, scopeAppstore, scopeReporting)
	if !ok {
		return reply{status: http.StatusForbidden, json: messageBody{notAuthorized}, refused: true, outcome: "not authorized"}
	}
	return reply{status: http.StatusOK, json: appstoreBody{g.ClientID, g.Scopes}, outcome: "told"}
}

// bearer finds the grant of the access token in the Authorization header; false: it
// doesn't work, or has none of the scopes.
func (s *Server) bearer(h http.Header, scopes ...string) (Grant, bool) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	g, ok := s.Lookup(strings.TrimSpace(token))
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return Grant{}, false
	}
	return g, slices.ContainsFunc(scopes, func(want string) bool { return slices.Contains(g.Scopes, want) })
}

// RequireToken returns a handler that stands for an API behind Login with Amazon: it
// lets those requests through to next whose Authorization header holds a bearer token
// that works and has the scope, and refuses the others as the Appstore's APIs do, with
// 403 and "Request is not authorized."
func (s *Server) RequireToken(scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.bearer(r.Header, scope); !ok {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("x-amzn-RequestId", newRequestID())
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"message":"` + notAuthorized + `"}`)) // the client has gone
			return
		}
		next.ServeHTTP(w, r)
	})
}
