package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// browser is a customer's browser, as far as the story needs one: cookies, links and forms.
type browser struct{ client http.Client }

func newBrowser() *browser {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &browser{http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

// page is what the browser shows.
type page struct {
	status int
	url    *url.URL
	text   string // without markup
	links  []string
	forms  []form
}

type form struct {
	action string
	fields url.Values
}

func (b *browser) open(ctx context.Context, address string) (*page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	return b.do(req)
}

// follow opens the first link that holds part.
func (b *browser) follow(ctx context.Context, p *page, part string) (*page, error) {
	for _, l := range p.links {
		if strings.Contains(l, part) {
			to, err := p.url.Parse(l)
			if err != nil {
				return nil, err
			}
			return b.open(ctx, to.String())
		}
	}
	return nil, fmt.Errorf("the page at %s has no link to %s", p.url.Path, part)
}

// submit presses a button of the page's first form.
func (b *browser) submit(ctx context.Context, p *page, button, value string) (*page, error) {
	if len(p.forms) == 0 {
		return nil, fmt.Errorf("the page at %s has no form", p.url.Path)
	}
	f := p.forms[0]
	f.fields.Set(button, value)
	to, err := p.url.Parse(f.action)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(f.fields.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", to.Scheme+"://"+to.Host)
	return b.do(req)
}

func (b *browser) do(req *http.Request) (*page, error) {
	res, err := b.client.Do(req)
	if err != nil {
		var u *url.Error // which repeats the address, and that may hold a code
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("opening a page: %w", err)
	}
	defer res.Body.Close()
	p := &page{status: res.StatusCode, url: res.Request.URL}
	return p, p.read(io.LimitReader(res.Body, maxAnswer))
}

// read finds text, links and forms in HTML.
func (p *page) read(r io.Reader) error {
	tokens := html.NewTokenizer(r)
	hidden := false // within a style
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading a page: %w", err)
			}
			return nil
		case html.TextToken:
			if !hidden {
				p.text += " " + strings.TrimSpace(string(tokens.Text()))
			}
		case html.EndTagToken:
			hidden = false
		case html.StartTagToken, html.SelfClosingTagToken:
			t := tokens.Token()
			hidden = t.Data == "style" || t.Data == "script"
			p.element(t)
		}
	}
}

func (p *page) element(t html.Token) {
	attr := map[string]string{}
	for _, a := range t.Attr {
		attr[a.Key] = a.Val
	}
	switch t.Data {
	case "a":
		p.links = append(p.links, attr["href"])
	case "form":
		p.forms = append(p.forms, form{action: attr["action"], fields: url.Values{}})
	case "input":
		_, checked := attr["checked"]
		chosen := checked || attr["type"] != "radio" && attr["type"] != "checkbox"
		if len(p.forms) > 0 && attr["name"] != "" && chosen {
			p.forms[len(p.forms)-1].fields.Add(attr["name"], attr["value"])
		}
	}
}

// has reports whether the page's text holds all of the words, whatever their case.
func (p *page) has(words ...string) bool {
	text := strings.ToLower(p.text)
	for _, w := range words {
		if !strings.Contains(text, strings.ToLower(w)) {
			return false
		}
	}
	return true
}
