package lwa

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits on what an [Error] takes from an answer, in bytes.
const (
	maxCode        = 64
	maxDescription = 300
	maxRequestID   = 128
	maxParam       = 64
)

// maxRetryAfter bounds what a server may ask for: a wrong header should not stop
// a fleet for longer than an access token lives.
const maxRetryAfter = time.Hour

// answer is one HTTP answer, read but not understood yet.
type answer struct {
	op     string
	status int
	header http.Header
	body   []byte
	broken string    // why the body is not whole; "" when it is
	sent   []string  // the secrets of the request
	now    time.Time // when it arrived
}

// object is the JSON object of an answer. Members that nobody asks for are ignored.
type object map[string]json.RawMessage

// success returns the body of a 200, an *Error for anything else.
func (a *answer) success() (object, error) {
	switch {
	case a.broken != "":
		return nil, a.notJSON(a.broken)
	case a.status != http.StatusOK:
		return nil, a.refusal()
	case len(a.body) == 0:
		return nil, a.notJSON("the answer is empty")
	case !mayBeJSON(a.header.Get("Content-Type")), !json.Valid(a.body):
		return nil, a.notJSON("the answer is no JSON")
	}
	o := a.object()
	if o == nil {
		return nil, a.unusable("the answer is no JSON object")
	}
	if o.has("error") {
		return nil, a.refusal()
	}
	return o, nil
}

func (a *answer) object() object {
	var o object
	if err := json.Unmarshal(a.body, &o); err != nil {
		return nil
	}
	return o
}

// refusal reads LWA's error answer: its code first, then the HTTP status.
func (a *answer) refusal() *Error {
	switch {
	case a.status >= 300 && a.status < 400:
		return a.notJSON("the answer is a redirect, which isn't followed")
	case !json.Valid(a.body):
		return a.notJSON("the answer is no JSON")
	}
	o := a.object()
	raw, _ := o.text("error")
	description, _ := o.text("error_description")
	id, _ := o.text("request_id")
	e := a.newError(tidy(description, maxDescription, a.sent))
	if raw == "" && e.Description == "" {
		e.Description = "the answer names no error"
	}
	e.setCode(tidy(raw, maxCode, a.sent))
	if e.RequestID == "" {
		e.RequestID = a.requestID(id)
	}
	if natures[e.Code] == refusal && e.inTrouble() {
		e.Code = ""
	}
	return e
}

// unusable is JSON that is neither a success nor a refusal.
func (a *answer) unusable(why string) *Error { return a.newError(why) }

func (a *answer) notJSON(why string) *Error {
	e := a.newError(why)
	e.NotJSON = true
	return e
}

func (a *answer) newError(description string) *Error {
	return &Error{
		Op:          a.op,
		StatusCode:  a.status,
		Description: description,
		RequestID:   a.requestID(a.header.Get("x-amzn-RequestId")),
		RetryAfter:  retryAfter(a.header.Get("Retry-After"), a.now),
	}
}

// requestID drops what is no plain identifier, or repeats a secret.
func (a *answer) requestID(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/+=-"
	if len(s) > maxRequestID || strings.Trim(s, plain) != "" || redact(s, a.sent) != s {
		return ""
	}
	return s
}

// param finds the one useful part of a description, the name after " : ".
func param(description string) string {
	_, after, _ := strings.Cut(description, " : ")
	name := after[:len(after)-len(strings.TrimLeft(after, "abcdefghijklmnopqrstuvwxyz_"))]
	return name[:min(len(name), maxParam)]
}

// mayBeJSON compares a content type with tolerance: Amazon's own samples print
// "application/json;charset UTF-8", which no parser of media types takes. What
// declares itself as a page is never taken for an answer.
func mayBeJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch media {
	case "", "application/json", "text/json", "text/javascript", "text/plain", "application/octet-stream":
		return true
	}
	return strings.HasSuffix(media, "+json")
}

// retryAfter reads the header in either form, seconds or an HTTP date.
func retryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter) // what is out of range is the largest there is
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// has reports whether a member is there and says something.
func (o object) has(name string) bool {
	raw := string(o[name])
	return raw != "" && raw != "null" && raw != `""`
}

// text returns a member that is text: "" and true when it is absent or null,
// false when it is something else.
func (o object) text(name string) (string, bool) {
	raw, ok := o[name]
	if !ok {
		return "", true
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	if s == nil {
		return "", true
	}
	return *s, true
}

// seconds returns a member that is a number of whole seconds, written as a number
// or as text: Amazon's pages show both. False when it is absent, negative, over most
// or no number.
func (o object) seconds(name string, most int64) (int64, bool) {
	raw := o[name]
	var s string
	if json.Unmarshal(raw, &s) != nil || s == "" {
		s = string(raw)
	}
	s = strings.TrimSpace(s)
	if !json.Valid([]byte(s)) { // ParseFloat knows more numbers: Inf, 0x10
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 || n > float64(most) {
		return 0, false
	}
	return int64(n), true
}
