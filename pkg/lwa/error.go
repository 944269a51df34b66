package lwa

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// ErrUnusable is what [errors.Is] finds in an [*Error] that is neither a success nor
// a refusal: no JSON, an empty or truncated body, or a 200 without a usable token in it.
var ErrUnusable = errors.New("lwa: the answer can't be used")

// Error is an answer of LWA that is no success: a refusal, trouble at Amazon, or
// something that is no valid answer. None of its fields holds anything secret that
// was sent; texts are bounded and without control characters.
type Error struct {
	// Op is the call that failed: exchange, refresh, client_credentials, codepair, poll,
	// tokeninfo, profile; authorize for a redirect that brings an error, api for an API
	// that refuses the access token.
	Op string
	// StatusCode is the HTTP status, 200 for a success that can't be used, 0 for
	// a redirect.
	StatusCode int
	// Code is what LWA refuses with, one of the constants above. Empty where the
	// answer fits nothing known, and where a 429 or 5xx brings the code of a refusal:
	// a server in trouble decides nothing.
	Code Code
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
	b.WriteString("lwa: " + e.Op + ":")
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, " %d", e.StatusCode)
	}
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
		return string(e.Code)
	}
	return e.RawCode
}

// Is reports whether target is e's [Code], or [ErrUnusable] for an answer that is neither
// a success nor a refusal.
func (e *Error) Is(target error) bool {
	if code, ok := target.(Code); ok {
		return e.Code == code
	}
	return target == ErrUnusable && e.Code == "" && (e.NotJSON || e.StatusCode == http.StatusOK)
}

// Permanent reports whether the same request would be refused again. It is false
// for an answer that fits nothing known, as Temporary is.
func (e *Error) Permanent() bool { return natures[e.Code] == refusal && !e.inTrouble() }

// Temporary reports whether the same request may succeed later: after a 429, a 5xx,
// server_error, temporarily_unavailable, authorization_pending, slow_down, and a body
// that is no JSON. The code of an Exchange may be used up all the same: see [Retry].
func (e *Error) Temporary() bool {
	n := natures[e.Code]
	return e.inTrouble() || e.NotJSON || n == trouble || n == pending
}

func (e *Error) inTrouble() bool {
	return e.StatusCode == http.StatusTooManyRequests || e.StatusCode >= 500
}
