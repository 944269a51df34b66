package eventtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// match returns where got is otherwise than want, both as decoded from JSON.
func match(where string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		return matchObject(where, want, got)
	case []any:
		return matchList(where, want, got)
	case string:
		if pattern, ok := strings.CutPrefix(want, "~"); ok {
			return matchPattern(where, pattern, got)
		}
	}
	if want != got {
		return []string{fmt.Sprintf("%s = %s, want %s", where, mustJSON(got), mustJSON(want))}
	}
	return nil
}

func matchObject(where string, want map[string]any, got any) []string {
	object, ok := got.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s = %s, want an object", where, mustJSON(got))}
	}
	var faults []string
	for name, w := range want {
		faults = append(faults, match(where+"."+name, w, object[name])...)
	}
	return faults
}

func matchList(where string, want []any, got any) []string {
	list, ok := got.([]any)
	if len(want) == 0 && got == nil {
		return nil // Lambda takes no list for an empty one
	}
	if !ok || len(list) != len(want) {
		return []string{fmt.Sprintf("%s = %s, want a list of %d", where, mustJSON(got), len(want))}
	}
	var faults []string
	for i, w := range want {
		faults = append(faults, match(fmt.Sprintf("%s[%d]", where, i), w, list[i])...)
	}
	return faults
}

func matchPattern(where, pattern string, got any) []string {
	text, ok := got.(string)
	re, err := regexp.Compile("^(?s:" + pattern + ")$")
	if err != nil || !ok || !re.MatchString(text) {
		return []string{fmt.Sprintf("%s = %s, want a text like %s (%v)", where, mustJSON(got), pattern, err)}
	}
	return nil
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
