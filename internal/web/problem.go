// Package web is what the HTTP routes of all functions share: one table of errors,
// bounded reading of requests, and the middleware around them.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is an error as its caller gets it: application/problem+json (RFC 9457) with
// a stable code. Detail is a sentence that says what to change; it holds no secret.
type Problem struct {
	Status     int
	Code       string
	Detail     string
	Field      string        // the member or parameter at fault, if one is
	RetryAfter time.Duration // 0: no Retry-After
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// The table of codes. A refused exchange is the one problem beside it: 400, with the
// error code of LWA as its own.
const (
	CodeBadBody         = "bad_body"           // 400: not the JSON that is asked for
	CodeBadField        = "bad_field"          // 400: a member, parameter or header is missing or malformed
	CodeUnauthorized    = "unauthorized"       // 401: device key missing, malformed or not known
	CodeNotPairedYet    = "not_paired_yet"     // 401: the customer has not finished yet
	CodeNotFound        = "not_found"          // 404: no such path
	CodeMethod          = "method_not_allowed" // 405
	CodeTaken           = "taken"              // 409: the device belongs to another customer
	CodeIDReused        = "id_reused"          // 409: the id stands for another slot
	CodeTooLarge        = "too_large"          // 413
	CodeNotJSON         = "not_json"           // 415
	CodeRefused         = "refused_by_drs"     // 422
	CodeTooManyRequests = "too_many_requests"  // 429
	CodeInternal        = "internal"           // 500: a fault of ours, never of the request
	CodeExchangeUnknown = "exchange_unknown"   // 502: no answer, yet the code may be used up
	CodeUnavailable     = "unavailable"        // 503: Amazon or the store can't be reached
)

var statuses = map[string]int{
	CodeBadBody: 400, CodeBadField: 400, CodeUnauthorized: 401, CodeNotPairedYet: 401,
	CodeNotFound: 404, CodeMethod: 405, CodeTaken: 409, CodeIDReused: 409, CodeTooLarge: 413,
	CodeNotJSON: 415, CodeRefused: 422, CodeTooManyRequests: 429, CodeInternal: 500,
	CodeExchangeUnknown: 502, CodeUnavailable: 503,
}

// Codes returns the table: each code and its status.
func Codes() map[string]int { return maps.Clone(statuses) }

// New returns the problem of a code of the table.
func New(code, detail string) *Problem {
	return &Problem{Status: statuses[code], Code: code, Detail: detail}
}

// BadField returns the problem of one member, parameter or header.
func BadField(field, detail string) *Problem {
	p := New(CodeBadField, detail)
	p.Field = field
	return p
}

// Unavailable returns a 503 that asks to come back after d, 1 s at least.
func Unavailable(detail string, d time.Duration) *Problem {
	p := New(CodeUnavailable, detail)
	p.RetryAfter = max(d, time.Second)
	return p
}

// Unauthorized is the one answer to a wrong, foreign or missing device key.
func Unauthorized() *Problem {
	return New(CodeUnauthorized, "send the device's own key as Authorization: Bearer <device_key>")
}

// AsProblem returns err as a problem. One that is none is a fault of ours: it is
// logged, and its caller learns nothing of it.
func AsProblem(r *http.Request, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	if Gone(r, err) {
		slog.DebugContext(r.Context(), "caller has gone", "method", r.Method, "route", r.Pattern, "error", err)
		return Unavailable("the request was given up", 0)
	}
	slog.ErrorContext(r.Context(), "request ended in a fault", "method", r.Method, "route", r.Pattern, "error", err)
	return New(CodeInternal, "something went wrong on our side; it has been logged")
}

// Gone reports whether err comes of a caller that hung up: nobody's fault, and nobody
// reads the answer.
func Gone(r *http.Request, err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(r.Context().Err(), context.Canceled)
}

// WriteProblem answers with p.
func WriteProblem(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	w.WriteHeader(p.Status)
	body := struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
		Field  string `json:"field,omitempty"`
	}{"about:blank", http.StatusText(p.Status), p.Status, p.Code, p.Detail, p.Field}
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
