package callback_test

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// inspect checks what is true of every page: its headers, and that its HTML is whole,
// accessible as far as a machine can see, and asks for nothing from elsewhere.
func inspect(t testing.TB, a *answer) *html.Node {
	t.Helper()
	for header, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(header); got != want {
			t.Errorf("%s = %q, want %q", header, got, want)
		}
	}
	balanced(t, a.body)
	doc, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		t.Fatalf("parsing page: %v", err)
	}
	p := &inspection{TB: t, count: map[string]int{}, ids: map[string]bool{}}
	for n := range doc.Descendants() {
		p.node(n)
	}
	p.finish(a.header.Get("Content-Security-Policy"))
	return doc
}

// balanced fails the test where a tag is not closed, or not in its place.
func balanced(t testing.TB, body string) {
	t.Helper()
	empty := []string{"meta", "link", "input"}
	var open []string
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("tags are left open: %v", open)
			}
			return
		case html.StartTagToken:
			if tag, _ := z.TagName(); !slices.Contains(empty, string(tag)) {
				open = append(open, string(tag))
			}
		case html.EndTagToken:
			tag, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(tag) {
				t.Errorf("</%s> closes %v", tag, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
}

type inspection struct {
	testing.TB
	count   map[string]int
	ids     map[string]bool
	refs    []string // IDs that something refers to
	inputs  []string // IDs of inputs
	labels  []string // IDs that a label is for
	style   string
	heading string
	title   string
}

func (p *inspection) node(n *html.Node) {
	p.Helper()
	if n.Type != html.ElementNode {
		return
	}
	p.count[n.Data]++
	for _, a := range n.Attr {
		switch {
		case a.Key == "id":
			if p.ids[a.Val] {
				p.Errorf("id %q is there twice", a.Val)
			}
			p.ids[a.Val] = true
		case a.Key == "aria-describedby" || a.Key == "aria-labelledby":
			p.refs = append(p.refs, a.Val)
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src":
			p.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
		case a.Key == "href" || a.Key == "action":
			ours := strings.HasPrefix(a.Val, "./") || strings.HasPrefix(a.Val, "login?") || a.Val == "data:,"
			if !ours {
				p.Errorf("<%s> leads to %q", n.Data, a.Val)
			}
		}
	}
	switch n.Data {
	case "html":
		if attr(n, "lang") != "en" {
			p.Error("page has no language")
		}
	case "script", "iframe", "img", "object":
		p.Errorf("page has a <%s>", n.Data)
	case "input":
		p.inputs = append(p.inputs, attr(n, "id"))
	case "label":
		p.labels = append(p.labels, attr(n, "for"))
	case "style":
		p.style = text(n)
	case "h1":
		p.heading = text(n)
	case "title":
		p.title = text(n)
	case "a", "button":
		if strings.TrimSpace(text(n)) == "" {
			p.Errorf("<%s> has no text", n.Data)
		}
	}
}

func (p *inspection) finish(policy string) {
	p.Helper()
	for _, tag := range []string{"html", "head", "title", "body", "header", "main", "footer", "h1", "style"} {
		if p.count[tag] != 1 {
			p.Errorf("page has %d <%s>, want 1", p.count[tag], tag)
		}
	}
	if p.heading == "" || p.heading != p.title {
		p.Errorf("heading is %q, title %q", p.heading, p.title)
	}
	for _, id := range p.refs {
		if !p.ids[id] {
			p.Errorf("nothing has the id %q", id)
		}
	}
	if !slices.Equal(p.inputs, p.labels) {
		p.Errorf("inputs %v, labels for %v", p.inputs, p.labels)
	}
	sum := sha256.Sum256([]byte(p.style))
	allowed := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	for _, rule := range []string{"default-src 'none'", allowed, "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !slices.Contains(strings.Split(policy, "; "), rule) {
			p.Errorf("Content-Security-Policy has no %s: %s", rule, policy)
		}
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// find returns the elements of a page with a tag, and text that contains a part.
func find(doc *html.Node, tag, part string) []*html.Node {
	var found []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag && strings.Contains(text(n), part) {
			found = append(found, n)
		}
	}
	return found
}

// button returns where the button with this text leads.
func button(t testing.TB, a *answer, label string) string {
	t.Helper()
	found := find(inspect(t, a), "a", label)
	if len(found) != 1 {
		t.Fatalf("page has %d links %q:\n%s", len(found), label, a.body)
	}
	return "/" + strings.TrimPrefix(attr(found[0], "href"), "./")
}
