package lwa

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortestSecret is the length from which on a value counts as secret: to replace
// shorter ones would only garble the text.
const shortestSecret = 4

// anyToken finds what looks like one of Amazon's tokens, ours or not.
var anyToken = pattern(`At(?:za|zr|c)(?:\||%7[Cc]|%257[Cc])[^\s"'<>&]*`)

// sentIn lists the secrets of a token request.
func sentIn(form url.Values) []string {
	var sent []string
	for _, name := range []string{"code", "code_verifier", "client_secret", "refresh_token", "device_code", "user_code"} {
		if v := form.Get(name); v != "" {
			sent = append(sent, v)
		}
	}
	return sent
}

// redact replaces in s every secret that was sent, in the spellings that it has on
// the wire, and everything that looks like a token.
func redact(s string, sent []string) string {
	for _, secret := range longestFirst(sent) {
		if len(secret) < shortestSecret {
			continue
		}
		for _, spelling := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			s = strings.ReplaceAll(s, spelling, redacted)
		}
	}
	return anyToken().ReplaceAllString(s, redacted)
}

// longestFirst keeps a secret that is part of another from leaving the rest of it.
func longestFirst(sent []string) []string {
	sorted := slices.Clone(sent)
	slices.SortFunc(sorted, func(a, b string) int { return len(b) - len(a) })
	return sorted
}

// unseen reports whether r is no character but an order to whatever shows it.
func unseen(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

func without(out func(rune) bool, s string) string {
	return strings.Map(func(r rune) rune {
		if out(r) {
			return -1
		}
		return r
	}, s)
}

// spoken makes what a customer is called fit to be shown, and cuts nothing. Unlike tidy it keeps
// the joiners that Persian, Hindi, Sinhala and others are written with.
func spoken(s string, sent []string) string {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return strings.TrimSpace(redact(without(func(r rune) bool { return unseen(r) && r != nonJoiner && r != joiner }, s), sent))
}

// tidy makes foreign text fit for an error and a log: valid UTF-8 without control
// and formatting characters, no secret, and at most limit bytes. The order matters:
// a secret is only found once nothing is left between its letters, and before it
// is cut in two.
func tidy(s string, limit int, sent []string) string {
	s = strings.TrimSpace(redact(without(unseen, s), sent))
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
