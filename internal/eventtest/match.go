package eventtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// matcher compares. It takes a time for the one wanted that is up to a window later.
type matcher struct{ window time.Duration }

// match returns where got is otherwise than want, both as decoded from JSON.
func (m matcher) match(where string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		return m.matchObject(where, want, got)
	case []any:
		return m.matchList(where, want, got)
	case string:
		if pattern, ok := strings.CutPrefix(want, "~"); ok {
			return m.matchPattern(where, pattern, got)
		}
	}
	if want != got && !m.soonAfter(want, got) {
		return []string{fmt.Sprintf("%s = %s, want %s", where, mustJSON(got), mustJSON(want))}
	}
	return nil
}

// soonAfter says whether got is a time in the window after that of want.
func (m matcher) soonAfter(want, got any) bool {
	w, ok := timeOf(want)
	g, also := timeOf(got)
	return m.window > 0 && ok && also && !g.Before(w) && g.Sub(w) <= m.window
}

func timeOf(v any) (time.Time, bool) {
	text, ok := v.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, ok && err == nil
}

func (m matcher) matchObject(where string, want map[string]any, got any) []string {
	object, ok := got.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s = %s, want an object", where, mustJSON(got))}
	}
	var faults []string
	for name, w := range want {
		faults = append(faults, m.match(where+"."+name, w, object[name])...)
	}
	return faults
}

func (m matcher) matchList(where string, want []any, got any) []string {
	list, ok := got.([]any)
	if len(want) == 0 && got == nil {
		return nil // Lambda takes no list for an empty one
	}
	if !ok || len(list) != len(want) {
		return []string{fmt.Sprintf("%s = %s, want a list of %d", where, mustJSON(got), len(want))}
	}
	var faults []string
	for i, w := range want {
		faults = append(faults, m.match(fmt.Sprintf("%s[%d]", where, i), w, list[i])...)
	}
	return faults
}

func (m matcher) matchPattern(where, pattern string, got any) []string {
	text, ok := got.(string)
	re, err := regexp.Compile("^(?s:" + pattern + ")$")
	if err != nil || !ok || !slices.ContainsFunc(m.earlier(text), re.MatchString) {
		return []string{fmt.Sprintf("%s = %s, want a text like %s (%v)", where, mustJSON(got), pattern, err)}
	}
	return nil
}

// earlier returns a text, and if it is a time, what it would have been within the window.
func (m matcher) earlier(text string) []string {
	all := []string{text}
	if at, ok := timeOf(text); ok {
		for d := time.Second; d <= m.window; d += time.Second {
			all = append(all, at.Add(-d).Format(time.RFC3339Nano))
		}
	}
	return all
}

// anys returns values as they would be decoded from JSON.
func anys[E any](list []E) []any {
	var out []any
	if err := json.Unmarshal(mustJSON(list), &out); err != nil {
		panic(err)
	}
	return out
}

// mustJSON encodes what came out of JSON, or can always be put into it.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
