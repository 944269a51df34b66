package drs

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// answer is what came back from a call.
type answer struct {
	op     string
	status int
	header http.Header
	body   []byte
	broken string // why the body can't be used, "" if it can
	token  string // to keep it out of errors, should the answer repeat it
}

func (a *answer) success() bool { return a.status >= 200 && a.status < 300 }

// decided reports whether the status alone says what there is to know: of a 400 the
// body tells the kind.
func (a *answer) decided() bool {
	return a.status >= 500 || a.status == http.StatusTooManyRequests
}

// refusal returns an answer that is no success as an error, else nil.
func (a *answer) refusal() error {
	if a.success() {
		return nil
	}
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &body) != nil {
		body.Message = "" // the body may be anything; only DRS's own sentence is passed on
	}
	return a.error(body.Message)
}

// unexpected returns a success that can't be used as an error.
func (a *answer) unexpected(why string) error {
	if a.broken != "" {
		why = a.broken
	}
	return a.error(why)
}

func (a *answer) error(message string) *Error {
	// X-Amzn-ErrorType is the exception's name, a colon and the URL of the service.
	name, _, _ := strings.Cut(a.header.Get("X-Amzn-ErrorType"), ":")
	return &Error{
		Op:         a.op,
		StatusCode: a.status,
		Type:       tidy(name, maxCode, a.token),
		Message:    tidy(message, maxText, a.token),
		RequestID:  tidy(a.header.Get("X-Amzn-RequestId"), maxCode, a.token),
		RetryAfter: retryAfter(a.header),
	}
}

// decode reads the body, one JSON object, into v.
func (a *answer) decode(v any) error {
	if !isObject(a.body) || json.Unmarshal(a.body, v) != nil {
		return a.unexpected("the answer is not the JSON that was asked for")
	}
	return nil
}

// acknowledged is for calls whose answer holds nothing: the documentation shows no
// body, and an empty object is as good. Anything else did not come from DRS.
func (a *answer) acknowledged() error {
	if len(bytes.TrimSpace(a.body)) == 0 && a.broken == "" {
		return nil
	}
	return a.decode(new(struct{}))
}

func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
}

// maxRetryAfter bounds how long an answer can put a caller off.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After: seconds, or a time, which is compared with the
// answer's own Date so that no clock of ours matters.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil || errors.Is(err, strconv.ErrRange) { // then it is the largest or smallest there is
		return time.Duration(min(max(n, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(date), 0), maxRetryAfter)
}

// tidy makes foreign text fit for an error and a log: printable, without the token,
// and at most limit bytes. The token is looked for before the text is cut, and once
// nothing is left between its letters.
func tidy(s string, limit int, token string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if token != "" {
		s = strings.ReplaceAll(s, token, "[access token]")
	}
	s = strings.TrimSpace(s)
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// isText reports whether an identifier from outside can be passed on: 1 to limit
// bytes without control characters.
func isText(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}
