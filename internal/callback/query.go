package callback

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a browser may send: Amazon documents no limit for what it adds to the redirect
// URL, but its own codes end at 128 characters and our states at 43.
const (
	maxQuery = 8 << 10
	maxParam = 2 << 10
)

// query reads the named parameters of a request. ok is false for a query that is
// malformed or too long, and for a named parameter that is repeated, too long, or has
// control characters or bytes that are no UTF-8. Other parameters are ignored.
func query(r *http.Request, names ...string) (q url.Values, ok bool) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, false
	}
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false
	}
	q = url.Values{}
	for _, name := range names {
		values, present := all[name]
		if !present {
			continue
		}
		if len(values) != 1 || len(values[0]) > maxParam || !plain(values[0]) {
			return nil, false
		}
		q[name] = values
	}
	return q, true
}

// plain reports whether s is UTF-8 without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// What values are made of. How long they are is counted beside that: a regular expression
// that counts is as large as its count, which every start of a function would wait for.
var (
	printable   = regexp.MustCompile(`^[!-~]+$`)
	unreserved  = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	hexadecimal = regexp.MustCompile(`^[0-9a-f]+$`)
)

// isCode takes more than Amazon, which says 18 to 128 characters: LWA judges.
func isCode(s string) bool { return len(s) <= 512 && printable.MatchString(s) }

func isVerifier(s string) bool { return 43 <= len(s) && len(s) <= 128 && unreserved.MatchString(s) }

func isPairingID(s string) bool { return len(s) == 32 && hexadecimal.MatchString(s) }
