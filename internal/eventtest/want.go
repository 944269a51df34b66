package eventtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Want is what an event should lead to. Objects in it are compared member by member:
// what the real one has beyond them is not looked at, and null is a member that is
// absent. A text that begins with ~ is a regular expression for the whole text.
type Want struct {
	// Given names what is there before; see [Fixtures.Give]. Env are variables beyond the
	// usual ones.
	Given []string          `json:"given"`
	Env   map[string]string `json:"env"`

	// One of the three says how the event ends: with an error whose type and text hold
	// this, with an HTTP answer, or with another result.
	Error  string          `json:"error"`
	HTTP   *HTTP           `json:"http"`
	Result json.RawMessage `json:"result"`

	// State are records by "pk sk", null for one that must not be there. A text ${x} in a
	// key is member x of the HTTP answer's body.
	State map[string]any `json:"state"`
	// Published are all messages to devices; Queued and Sent are all messages to the
	// retry queue and the refresh queue. The order is not looked at.
	Published []any `json:"published"`
	Queued    []any `json:"queued"`
	Sent      []any `json:"sent"`
	// Bus are all registrations of which the bus is told that their grant has ended.
	Bus []any `json:"bus"`
	// Calls counts the calls to Amazon, by route; one that is not named is not made.
	Calls map[string]int `json:"calls"`
}

// HTTP is an answer over HTTP.
type HTTP struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"` // "": the header must not be there
	Cookies []string          `json:"cookies"` // all of them
	Body    any               `json:"body"`    // JSON
	Text    []string          `json:"text"`    // parts of a page
	NoText  []string          `json:"no_text"` // what the page must not hold
}

// ReadWant reads an expectation. One that leaves open how the event ends, or what is
// stored and published afterwards, is an error.
func ReadWant(file string) (*Want, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("an event needs its expectation: %w", err)
	}
	w := new(Want)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(w); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	ends := 0
	for _, said := range []bool{w.Error != "", w.HTTP != nil, w.Result != nil} {
		if said {
			ends++
		}
	}
	if ends != 1 || w.State == nil || w.Published == nil {
		return nil, fmt.Errorf("%s must have one of error, http and result, and both state and published", file)
	}
	return w, nil
}

// Outcome is what an event led to.
type Outcome struct {
	Answer    []byte
	Error     string // type and text, "" without one
	State     func(key string) (any, error)
	Published []Message
	Queued    []any
	Sent      []string
	Bus       []any // nil: there is no bus
	Calls     map[string]int
	Log       string

	// Window is how much later than wanted a time may be: what it took to get there.
	Window time.Duration
}

// Message is what a device was told.
type Message struct {
	Topic   string `json:"topic"`
	Payload any    `json:"payload"`
}

// Compare returns what is otherwise than wanted.
func (w *Want) Compare(o Outcome) []string {
	m := matcher{o.Window}
	faults := w.compareEnd(m, o)
	for key, want := range w.State {
		got, err := o.State(key)
		if err != nil {
			faults = append(faults, fmt.Sprintf("reading %s: %v", key, err))
		}
		faults = append(faults, m.match(key, want, got)...)
	}
	faults = append(faults, m.matchAll("published", w.Published, anys(o.Published))...)
	faults = append(faults, m.matchAll("queued", w.Queued, o.Queued)...)
	faults = append(faults, m.matchAll("sent", w.Sent, anys(o.Sent))...)
	if o.Bus != nil {
		faults = append(faults, m.matchAll("bus", w.Bus, o.Bus)...)
	}
	for route, n := range o.Calls {
		if w.Calls[route] != n {
			faults = append(faults, fmt.Sprintf("%d calls of %s, want %d", n, route, w.Calls[route]))
		}
	}
	for route := range w.Calls {
		if _, known := o.Calls[route]; !known {
			faults = append(faults, "there is no route "+route)
		}
	}
	return faults
}

func (w *Want) compareEnd(m matcher, o Outcome) []string {
	switch {
	case w.Error != "" && !strings.Contains(o.Error, w.Error):
		return []string{fmt.Sprintf("error = %q, want %q in it", o.Error, w.Error)}
	case w.Error != "":
		return nil
	case o.Error != "":
		return []string{"error = " + o.Error + ", want none"}
	case w.Result != nil:
		return m.matchJSON("result", w.Result, o.Answer)
	}
	return w.HTTP.compare(m, o.Answer)
}

func (h *HTTP) compare(m matcher, answer []byte) []string {
	var got struct {
		StatusCode int
		Headers    map[string]string
		Cookies    []string
		Body       string
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return []string{"the answer is none over HTTP: " + err.Error()}
	}
	var faults []string
	if got.StatusCode != h.Status {
		faults = append(faults, fmt.Sprintf("status = %d, want %d", got.StatusCode, h.Status))
	}
	for name, want := range h.Headers {
		if want == "" {
			if value, ok := got.Headers[name]; ok {
				faults = append(faults, fmt.Sprintf("header %s = %q, want none", name, value))
			}
			continue
		}
		faults = append(faults, m.match("header "+name, want, got.Headers[name])...)
	}
	faults = append(faults, m.matchAll("cookies", anys(h.Cookies), anys(got.Cookies))...)
	if h.Body != nil {
		faults = append(faults, m.matchJSON("body", mustJSON(h.Body), []byte(got.Body))...)
	}
	for _, text := range h.Text {
		if !strings.Contains(got.Body, text) {
			faults = append(faults, fmt.Sprintf("the page does not say %q", text))
		}
	}
	for _, text := range h.NoText {
		if strings.Contains(got.Body, text) {
			faults = append(faults, fmt.Sprintf("the page says %q", text))
		}
	}
	return faults
}

func (m matcher) matchJSON(where string, want, got []byte) []string {
	var w, g any
	if err := errors.Join(json.Unmarshal(want, &w), json.Unmarshal(got, &g)); err != nil {
		return []string{fmt.Sprintf("%s is no JSON: %v", where, err)}
	}
	return m.match(where, w, g)
}

// matchAll finds for each wanted one a real one of its own.
func (m matcher) matchAll(where string, want, got []any) []string {
	left := slices.Clone(got)
	var faults []string
	for _, w := range want {
		i := slices.IndexFunc(left, func(g any) bool { return len(m.match(where, w, g)) == 0 })
		if i < 0 {
			faults = append(faults, fmt.Sprintf("%s: none is %s", where, mustJSON(w)))
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, g := range left {
		faults = append(faults, fmt.Sprintf("%s: unexpected %s", where, mustJSON(g)))
	}
	return faults
}
