package eventtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/wiring"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Operations is the document that lists the metrics, seen from a function's folder.
const Operations = "../../docs/operations.md"

// Series is a metric as CloudWatch tells it from others: by its name and the values of its
// dimensions.
type Series struct {
	Name, Unit string
	Dimensions map[string]string
}

func (s Series) String() string {
	text := s.Name + " in " + s.Unit
	for _, key := range slices.Sorted(maps.Keys(s.Dimensions)) {
		text += " " + key + "=" + s.Dimensions[key]
	}
	return text
}

// Spoiled is an event that happens once more, with parts that something is wrong with.
type Spoiled struct {
	Event string // the name of its file, without .json
	Spoil func(p *wiring.Parts)
}

// Metrics feeds every event of a function to it, and then those with spoiled parts, and holds what
// it has written for CloudWatch against the list in docs/operations.md. What is written must be
// listed; what is listed must be written by some event, and where an alarm looks at it, with
// these very dimensions.
func Metrics(t *testing.T, function string, build Build, spoiled ...Spoiled) {
	t.Helper()
	listed, err := Listed(Operations)
	if err != nil {
		t.Fatal(err)
	}
	listed = slices.DeleteFunc(listed, func(m Listing) bool { return m.Function != function })
	written := measure(t, function, build, spoiled)
	for _, s := range written {
		if !slices.ContainsFunc(listed, func(m Listing) bool { return m.Has(s) }) {
			t.Errorf("%s lists no metric %v", Operations, s)
		}
	}
	for _, m := range listed {
		if !slices.ContainsFunc(written, m.Has) {
			t.Errorf("no event makes the function write %s, which %s lists", m.Name, Operations)
		}
		for _, alarmed := range m.Alarmed() {
			same := func(s Series) bool { return s.Name == m.Name && maps.Equal(s.Dimensions, alarmed) }
			if !slices.ContainsFunc(written, same) {
				t.Errorf("an alarm looks at %s with %v, which no event makes the function write", m.Name, alarmed)
			}
		}
	}
}

func measure(t *testing.T, function string, build Build, spoiled []Spoiled) []Series {
	t.Helper()
	cases, err := Cases(Dir, function)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	feed := func(c *Case, change func(*wiring.Parts)) {
		w, err := newLocal(t, func(p *wiring.Parts) (*gateway.Function, error) {
			p.Metrics = &metrics.EMF{Function: function, Writer: &out}
			change(p)
			return build(p)
		}, c.Want.Env)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range c.Want.Given {
			if err := w.fixtures.Give(t.Context(), name); err != nil {
				t.Fatalf("given %s: %v", name, err)
			}
		}
		w.Invoke(t, c.Event) // what comes of it is the matter of other tests
	}
	for _, c := range cases {
		feed(c, func(*wiring.Parts) {})
	}
	for _, s := range spoiled {
		i := slices.IndexFunc(cases, func(c *Case) bool { return c.Name == s.Event })
		if i < 0 {
			t.Fatalf("there is no event %s", s.Event)
		}
		feed(cases[i], s.Spoil)
	}
	series, err := ReadEMF(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return series
}

// WrongSecret has Login with Amazon refuse our client secret.
func WrongSecret(p *wiring.Parts) {
	p.Credentials = credentials.Static(credentials.LWA{ClientID: clientID, ClientSecret: lwa.NewSecret("not-the-client-secret")})
}

// OtherKeys takes the key that the stored tokens are sealed with out of the key ring.
func OtherKeys(p *wiring.Parts) {
	ring, err := seal.Parse([]byte(`{"primary":"other","other":"` + strings.Repeat("o", 64) + `"}`))
	if err != nil {
		panic(err) // it is a key ring
	}
	p.Keys = seal.Static(ring)
}

// NoSecrets has Secrets Manager out of reach.
func NoSecrets(p *wiring.Parts) { p.Keys = noKeys{} }

type noKeys struct{}

func (noKeys) Ring(context.Context) (*seal.Ring, error) {
	return nil, errors.New("the service of secrets can't be reached")
}

// Answer has every call to a host of Amazon, lwa.invalid or drs.invalid, answered like this.
func Answer(host string, status int, body string) func(p *wiring.Parts) {
	return func(p *wiring.Parts) {
		p.HTTPClient = &http.Client{Transport: &canned{host, status, body, p.HTTPClient.Transport}}
	}
}

type canned struct {
	host   string
	status int
	body   string
	next   http.RoundTripper
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != c.host {
		return c.next.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(c.status)
	_, err := w.WriteString(c.body)
	return w.Result(), err
}

// ReadEMF reads lines in the embedded metric format, as CloudWatch does.
func ReadEMF(lines []byte) ([]Series, error) {
	var all []Series
	for line := range bytes.Lines(lines) {
		var head struct {
			AWS struct {
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		var members map[string]any
		if err := json.Unmarshal(line, &head); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(line, &members); err != nil {
			return nil, err
		}
		for _, d := range head.AWS.CloudWatchMetrics {
			if d.Namespace != metrics.Namespace {
				return nil, fmt.Errorf("a metric in the namespace %s", d.Namespace)
			}
			for _, keys := range d.Dimensions {
				dimensions := map[string]string{}
				for _, key := range keys {
					dimensions[key], _ = members[key].(string)
				}
				for _, m := range d.Metrics {
					if _, ok := members[m.Name].(float64); !ok {
						return nil, fmt.Errorf("metric %s has no value", m.Name)
					}
					all = append(all, Series{m.Name, m.Unit, dimensions})
				}
			}
		}
	}
	return all, nil
}
