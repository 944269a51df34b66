package lwa

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// Limits on a text to explain.
const (
	maxText    = 64 << 10 // bytes of it that are looked at
	maxObjects = 100      // places where a JSON object may begin
)

// ExplainText is [Explain] for what was pasted from a log or a page: LWA's JSON, alone or
// within other text, the URL of a redirect with an error in it, an error of this
// package printed, or a sentence of Amazon's. It is false, with an empty explanation,
// for a text in which nothing is known. The first 64 KiB are looked at; nothing of it
// is repeated.
func ExplainText(text string) (explanation string, known bool) {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = strings.ReplaceAll(text, `\"`, `"`) // JSON within a string of a JSON log
	if explanation = readSilence(text); explanation != "" {
		return explanation, true
	}
	for _, read := range []func(string) *Error{readPrinted, readJSON, readQuery, readMembers, readWords, readSentence} {
		if e := read(text); e != nil {
			if explanation = e.explainText(); explanation != "" {
				return explanation, true
			}
		}
	}
	if explanation = advise(&Error{}, text); explanation != "" {
		return explanation, true
	}
	for _, known := range plain {
		if strings.Contains(text, known.err.Error()) {
			return known.advice, true
		}
	}
	return "", false
}

func (e *Error) explainText() string {
	if e.Code != "" || e.inTrouble() {
		return e.explain()
	}
	return advise(e, e.Description)
}

// printed is what [Error.Error] writes.
var printed = pattern(`lwa: (\w+):(?: (\d{3})\b)?(?: ([A-Za-z_]+)\b)?(?:: ([^\n]*))?`)

func readPrinted(text string) *Error {
	m := printed().FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	status, _ := strconv.Atoi(m[2]) // three digits, or none
	e := &Error{Op: m[1], StatusCode: status, Description: m[4]}
	e.setCode(m[3])
	return e
}

// setCode takes the code as LWA spells it, and the parameter from the description.
func (e *Error) setCode(raw string) {
	e.Code, e.RawCode, e.Param = normalise(raw), raw, param(e.Description)
	if raw == "InvalidValue" && (e.Op == opCodePair || e.Op == "") { // only seen there
		e.Code = InvalidRequest
		if e.Param == "client_id" {
			e.Code = InvalidClient
		}
	}
}

// readJSON finds the first JSON object that says something of an error, in the shapes
// that LWA, the Selling Partner API and other APIs of Amazon's write.
func readJSON(text string) *Error {
	for n, at := 0, strings.IndexByte(text, '{'); at >= 0 && n < maxObjects; n++ {
		var o object
		if json.NewDecoder(strings.NewReader(text[at:])).Decode(&o) == nil {
			if e := o.refusal(); e != nil {
				return e
			}
		}
		next := strings.IndexByte(text[at+1:], '{')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return nil
}

// refusal reads an error object, nil for one that is none.
func (o object) refusal() *Error {
	var list []object
	_ = json.Unmarshal(o["errors"], &list) // what is no list has no first
	if len(list) > 0 {
		o = list[0]
	}
	code, _ := o.text("error")
	var words []string
	for _, name := range []string{"error_description", "message", "Message", "details"} {
		if s, _ := o.text(name); s != "" {
			words = append(words, s)
		}
	}
	if code == "" && len(words) == 0 {
		return nil
	}
	e := &Error{Description: strings.Join(words, " ")}
	e.setCode(code)
	return e
}

var inQuery = pattern(`[?&]error=[^\s"'<>]*`)

// readQuery reads the error of a redirect.
func readQuery(text string) *Error {
	q, err := url.ParseQuery(strings.TrimLeft(inQuery().FindString(text), "?&"))
	if err != nil || q.Get("error") == "" {
		return nil
	}
	e := &Error{Op: opAuthorize, Description: q.Get("error_description")}
	e.setCode(q.Get("error"))
	return e
}

var (
	codeMember = pattern(`\berror["']?\s*[:=]\s*["']?([A-Za-z_]+)\b`)
	textMember = pattern(`\berror_description["']?\s*[:=]\s*(?:"([^"\n]*)|'([^'\n]*))`)
)

// readMembers finds code and description in what is not quite JSON: cut off, or as
// Python, JavaScript and logs write it.
func readMembers(text string) *Error {
	m := codeMember().FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	e := &Error{}
	if d := textMember().FindStringSubmatch(text); d != nil {
		e.Description = d[1] + d[2]
	}
	if e.setCode(m[1]); e.Code == "" {
		return nil
	}
	return e
}

// sentences are LWA's descriptions that tell the code.
var sentences = []struct {
	phrase string
	code   Code
}{
	{"Client authentication failed", InvalidClient},
	{"has an invalid grant parameter", InvalidGrant},
	{"grant type is not supported by the authorization server", UnsupportedGrantType},
	{"Content-Type is not supported by the authorization server", InvalidRequest},
	{"is missing a required parameter", InvalidRequest},
	{"has an invalid parameter : scope", InvalidScope},
	{"has an invalid parameter : access_token", InvalidToken},
	{"has an invalid parameter : client_id", InvalidClient},
	{"has an invalid parameter : code", InvalidRequest},
	{"Not authorized for requested operation", UnauthorizedClient},
	{"Access not permitted", AccessDenied},
}

// readSentence finds a description whose code was cut off.
func readSentence(text string) *Error {
	for _, s := range sentences {
		if _, after, found := strings.Cut(text, s.phrase); found {
			return &Error{Code: s.code, Description: s.phrase + after, Param: param(s.phrase + after)}
		}
	}
	return nil
}

// readWords finds a code that stands alone.
func readWords(text string) *Error {
	for w := range strings.FieldsFuncSeq(text, inNoWord) {
		if strings.Contains(w, "_") || w == "ServerError" || w == "InvalidValue" {
			e := &Error{Description: text}
			if e.setCode(w); e.Code != "" {
				return e
			}
		}
	}
	return nil
}

func inNoWord(r rune) bool {
	return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
