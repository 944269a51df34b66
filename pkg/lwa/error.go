package lwa

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The codes of an [Error]. LWA's own spelling varies (ServerError, servererror); these
// are the normalised ones.
//
// Source: RFC 6749 §5.2; developer.amazon.com/docs/login-with-amazon
const (
	InvalidClient        = "invalid_client"          // our client ID or secret is wrong
	InvalidGrant         = "invalid_grant"           // the code or refresh token is used up, revoked or another client's
	InvalidRequest       = "invalid_request"         // a parameter is missing or malformed
	InvalidScope         = "invalid_scope"           // the client may not ask for this scope
	InvalidToken         = "invalid_token"           // the access token has expired or never was one
	InsufficientScope    = "insufficient_scope"      // the access token is for something else
	UnauthorizedClient   = "unauthorized_client"     // the client may not do this, or the verifier is wrong
	UnsupportedGrantType = "unsupported_grant_type"  // the request was not understood
	AccessDenied         = "access_denied"           // the customer or Amazon said no
	ServerError          = "server_error"            // trouble at Amazon
	TemporarilyUnavail   = "temporarily_unavailable" // trouble at Amazon
)

// refusals are the codes that stay: the same request would get the same answer.
var refusals = map[string]bool{
	InvalidClient: true, InvalidGrant: true, InvalidRequest: true, InvalidScope: true,
	InvalidToken: true, InsufficientScope: true, UnauthorizedClient: true,
	UnsupportedGrantType: true, AccessDenied: true,
}

// Error is an answer of LWA that is no success: a refusal, trouble at Amazon, or
// something that is no valid answer. None of its fields holds anything secret that
// was sent; texts are bounded and without control characters.
type Error struct {
	// Op is the call that failed: exchange, refresh, tokeninfo.
	Op string
	// StatusCode is the HTTP status, 200 for a success that can't be used.
	StatusCode int
	// Code is what LWA refuses with, one of the constants above. Empty where the
	// answer fits nothing known, and where a 429 or 5xx brings the code of a refusal:
	// a server in trouble decides nothing.
	Code string
	// RawCode is the code as it came; may be set where Code is empty.
	RawCode string
	// Description is LWA's sentence, or what is wrong with the answer. It is for people.
	Description string
	// Param is the parameter that LWA's sentence names, such as refresh_token; may be
	// empty.
	Param string
	// RequestID is what Amazon's support asks for; may be empty.
	RequestID string
	// RetryAfter is how long Amazon asks to wait, at most an hour; zero: it doesn't say.
	RetryAfter time.Duration
	// NotJSON says that the body was empty, broken off, too large, or no JSON: it came
	// from something in front of LWA, or didn't arrive whole.
	NotJSON bool
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "lwa: %s: %d", e.Op, e.StatusCode)
	if code := e.displayCode(); code != "" {
		b.WriteString(" " + code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

func (e *Error) displayCode() string {
	if e.Code != "" {
		return e.Code
	}
	return e.RawCode
}

// Permanent reports whether the same request would be refused again. It is false
// for an answer that fits nothing known, as Temporary is.
func (e *Error) Permanent() bool { return refusals[e.Code] && !e.inTrouble() }

// Temporary reports whether the same request may succeed later: after a 429, a 5xx,
// server_error, temporarily_unavailable, and a body that is no JSON. The code of an
// Exchange may be used up all the same.
func (e *Error) Temporary() bool {
	return e.inTrouble() || e.NotJSON || e.Code == ServerError || e.Code == TemporarilyUnavail
}

func (e *Error) inTrouble() bool {
	return e.StatusCode == http.StatusTooManyRequests || e.StatusCode >= 500
}
