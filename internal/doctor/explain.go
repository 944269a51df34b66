package doctor

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/pkg/lwa"
)

// MaxText is how much of a pasted text is looked at, in bytes.
const MaxText = 64 << 10

// Explanation says what one part of a pasted text means and what to change. It repeats
// nothing of the text but words that Restock itself uses.
type Explanation struct {
	Of   string `json:"of"`   // whose error it is: LWA, DRS, Restock
	What string `json:"what"` // the word that was known, such as invalid_client; "" for a sentence
	Text string `json:"text"`
}

// whose errors are.
const (
	ofLWA     = "Login with Amazon"
	ofDRS     = "Dash Replenishment"
	ofRestock = "Restock"
)

var (
	// member is a word under a name that we use, in JSON or in a log's name=value. A word
	// such as "internal" says nothing elsewhere.
	member   = regexp.MustCompile(`\b(code|detail_code|outcome|reason|status|error)["']?\s*[:=]\s*["']?([A-Za-z_]{2,40})\b`)
	shout    = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)
	variable = regexp.MustCompile(`\bRESTOCK_[A-Z_]{2,40}\b`)
)

// Explain finds what is known in an error text or JSON: refusals of LWA and DRS, and
// Restock's own problem codes, detail codes, outcomes and reasons. It returns nothing
// for a text in which nothing is known.
func Explain(text string) []Explanation {
	text = unwrap(text[:min(len(text), MaxText)])
	var all []Explanation
	add := func(e Explanation) {
		if e.Text != "" && !slices.ContainsFunc(all, func(o Explanation) bool { return o.Text == e.Text }) {
			all = append(all, e)
		}
	}
	for _, e := range ownWords(text) {
		add(e)
	}
	for _, e := range ownSentences(text) {
		add(e)
	}
	for _, name := range variable.FindAllString(text, -1) {
		if want := config.Want(name); want != "" {
			add(Explanation{Of: ofRestock, What: name, Text: "It must hold " + want + "."})
		}
	}
	if advice, known := lwa.ExplainText(text); known && !ours(all) {
		add(Explanation{Of: ofLWA, Text: advice})
	}
	return all
}

// ours reports whether a word of Restock's own says it already: a problem's JSON has an
// "error" only where it is LWA's.
func ours(all []Explanation) bool {
	return slices.ContainsFunc(all, func(e Explanation) bool { return e.Of == ofRestock || e.Of == ofDRS })
}

// ownSentences explains what is known by its words: of each line what is special, or else
// what is general.
func ownSentences(text string) (all []Explanation) {
	for line := range strings.Lines(text) {
		special := false
		for _, s := range sentences {
			if s.general && special || !s.in.MatchString(line) {
				continue
			}
			all = append(all, Explanation{Of: s.of, Text: s.text})
			special = special || s.of == ofDRS
		}
	}
	return all
}

// ownWords explains the codes in a text, or the one that is the text.
func ownWords(text string) (all []Explanation) {
	if e, ok := explainWord("", strings.Trim(text, " \t\r\n\"'.")); ok {
		return []Explanation{e}
	}
	for _, found := range member.FindAllStringSubmatch(text, -1) {
		if e, ok := explainWord(found[1], found[2]); ok {
			all = append(all, e)
		}
	}
	for _, found := range shout.FindAllString(text, -1) {
		if e, ok := explainWord("detail_code", found); ok {
			all = append(all, e)
		}
	}
	return all
}

// explainWord explains a word that stands under a name of ours, or alone.
func explainWord(name, word string) (Explanation, bool) {
	for _, t := range []struct {
		names string
		words map[string]string
	}{
		{"detail_code", details},
		{"outcome", outcomes},
		{"reason detail_code", reasons},
		{"status reason", statuses},
		{"code error", problems},
	} {
		key := word
		if name == "detail_code" || name == "" {
			key = cmp.Or(keyIn(t.words, word), word)
		}
		text, known := t.words[key]
		if known && (name == "" || slices.Contains(strings.Fields(t.names), name)) {
			return Explanation{Of: ofRestock, What: key, Text: text}, true
		}
	}
	if name == "code" { // of a problem that passes on LWA's refusal of a code
		if text := lwa.Explain(&lwa.Error{Op: "exchange", StatusCode: 400, Code: lwa.Code(word)}); text != "" && known(word) {
			return Explanation{Of: ofLWA, What: word, Text: text}, true
		}
	}
	return Explanation{}, false
}

// keyIn finds a reason that is written as a detail code.
func keyIn(words map[string]string, word string) string {
	if lower := strings.ToLower(word); word == strings.ToUpper(word) && words[lower] != "" {
		return lower
	}
	return ""
}

// known reports whether LWA refuses with a word.
func known(word string) bool {
	return slices.Contains([]lwa.Code{
		lwa.InvalidClient, lwa.InvalidGrant, lwa.InvalidRequest, lwa.InvalidScope, lwa.UnauthorizedClient,
		lwa.UnsupportedGrantType, lwa.ServerError, lwa.TemporarilyUnavailable,
	}, lwa.Code(word))
}
