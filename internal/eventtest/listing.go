package eventtest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Listing is a row of the table of metrics in docs/operations.md, for one function:
//
//	| Metric | Unit | Function | Dimensions | Means |
//	|---|---|---|---|---|
//	| `Press` | Count | replenish | `outcome`: ordered, **failed**; `by`: **mqtt**, **queue** | … |
//
// A value in bold is one that an alarm looks at.
type Listing struct {
	Name, Unit, Function string
	Values               map[string][]string // of each dimension but function, those in bold included
	bold                 map[string][]string
}

// Listed reads the table. A row for several functions becomes one for each.
func Listed(file string) ([]Listing, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	const head = "| Metric | Unit | Function | Dimensions | Means |\n"
	_, rest, found := strings.Cut(string(text), head)
	if !found {
		return nil, errors.New(file + " has no table of metrics")
	}
	var all []Listing
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if strings.HasPrefix(cells[0], "---") {
			continue
		}
		if len(cells) != 5 {
			return nil, fmt.Errorf("%s: a row of the metrics has %d cells, want 5: %s", file, len(cells), line)
		}
		m := Listing{Name: strings.Trim(cells[0], " `"), Unit: strings.TrimSpace(cells[1])}
		m.Values, m.bold = dimensionsIn(cells[3])
		for function := range strings.SplitSeq(cells[2], ",") {
			m.Function = strings.TrimSpace(function)
			all = append(all, m)
		}
	}
	return all, nil
}

var dimension = regexp.MustCompile("`(\\w+)`: ([^;]+)")

func dimensionsIn(cell string) (values, bold map[string][]string) {
	values, bold = map[string][]string{}, map[string][]string{}
	for _, m := range dimension.FindAllStringSubmatch(cell, -1) {
		for value := range strings.SplitSeq(m[2], ",") {
			value = strings.TrimSpace(value)
			plain := strings.Trim(value, "*")
			values[m[1]] = append(values[m[1]], plain)
			if plain != value {
				bold[m[1]] = append(bold[m[1]], plain)
			}
		}
	}
	return values, bold
}

// Has reports whether s is in the row.
func (m Listing) Has(s Series) bool {
	if s.Name != m.Name || s.Unit != m.Unit || s.Dimensions["function"] != m.Function || len(s.Dimensions) != 1+len(m.Values) {
		return false
	}
	for key, values := range m.Values {
		if !slices.Contains(values, s.Dimensions[key]) {
			return false
		}
	}
	return true
}

// Alarmed returns the dimensions under which alarms look at the metric: every combination of
// the values in bold.
func (m Listing) Alarmed() []map[string]string {
	all := []map[string]string{{"function": m.Function}}
	for key := range m.Values {
		var next []map[string]string
		for _, d := range all {
			for _, value := range m.bold[key] {
				with := maps.Clone(d)
				with[key] = value
				next = append(next, with)
			}
		}
		all = next
	}
	return all
}
