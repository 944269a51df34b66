package doctor

import (
	"html"
	"net/url"
	"regexp"
	"strconv"
)

// unwraps bounds how deep a text may stand in others: JSON in a string of a log's JSON, in
// that of whoever collects logs, on a page.
const unwraps = 5

var (
	escape  = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|["'/\\nrt])`)
	entity  = regexp.MustCompile(`&(?:#x?[0-9a-fA-F]{1,6}|[a-z]{2,6});`)
	encoded = regexp.MustCompile(`%7B%22|%22error|error%3D`)
	percent = regexp.MustCompile(`(?:%[0-9a-fA-F]{2})+`)
)

// unwrap takes off what stands around an error in a log or on a page: the escapes of a
// string, entities of HTML, and the percent signs around JSON.
func unwrap(text string) string {
	for range unwraps {
		next := escape.ReplaceAllStringFunc(text, unescape)
		next = entity.ReplaceAllStringFunc(next, html.UnescapeString)
		if encoded.MatchString(next) { // the query of a redirect is read as it is
			next = percent.ReplaceAllStringFunc(next, func(s string) string {
				plain, _ := url.PathUnescape(s) // it is well formed
				return plain
			})
		}
		if next == text {
			break
		}
		text = next
	}
	return text
}

// unescape reads an escape of JSON, Go and most other languages. A line break becomes a
// blank: what stands in a string belongs together.
func unescape(s string) string {
	switch s[1] {
	case 'u':
		r, _, _, err := strconv.UnquoteChar(s, 0)
		if err != nil { // half of a pair
			return " "
		}
		return string(r)
	case 'n', 'r', 't':
		return " "
	}
	return s[1:]
}
