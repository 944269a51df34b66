package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// device is a paired device.
type device struct {
	thing, key, pages string
}

// pair starts a pairing as a device does and finishes it as its customer would in a
// browser.
func pair(ctx context.Context, pages, model, serial string) (*device, error) {
	var p struct {
		DeviceKey string `json:"device_key"`
		URL       string `json:"url"`
	}
	body := fmt.Sprintf(`{"device_model":%q,"serial":%q}`, model, serial)
	if err := call(ctx, http.DefaultClient, pages+"/v1/pairings", "", body, &p); err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar}
	page, at, err := visit(ctx, browser, p.URL, nil)
	if err != nil {
		return nil, err
	}
	login := regexp.MustCompile(`href="(login\?[^"]+)"`).FindStringSubmatch(page)
	if login == nil {
		return nil, errors.New("the pairing page has no link to Amazon")
	}
	to, err := at.Parse(strings.ReplaceAll(login[1], "&amp;", "&"))
	if err != nil {
		return nil, err
	}
	if page, at, err = visit(ctx, browser, to.String(), nil); err != nil {
		return nil, err
	}
	form, err := consent(page)
	if err != nil {
		return nil, err
	}
	if to, err = at.Parse("oa/consent"); err != nil {
		return nil, err
	}
	if _, _, err = visit(ctx, browser, to.String(), form); err != nil {
		return nil, err
	}
	return &device{thing: model + "::" + serial, key: p.DeviceKey, pages: pages}, nil
}

var (
	hidden   = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	customer = regexp.MustCompile(`name="customer" value="([^"]+)"[^>]* checked`)
	unescape = strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">")
)

func consent(page string) (url.Values, error) {
	form := url.Values{"decision": {"allow"}}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], unescape.Replace(m[2]))
	}
	m := customer.FindStringSubmatch(page)
	if m == nil {
		return nil, errors.New("the consent page has no customer")
	}
	form.Set("customer", unescape.Replace(m[1]))
	return form, nil
}

// visit opens a page, or sends a form to it, and returns what it shows and where it ended.
func visit(ctx context.Context, c *http.Client, to string, form url.Values) (string, *url.URL, error) {
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", nil, err
	}
	if res.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("%s answered %s", res.Request.URL.Path, res.Status)
	}
	return string(page), res.Request.URL, nil
}

// call posts JSON and reads the JSON of a 2xx answer into v.
func call(ctx context.Context, c *http.Client, to, key, body string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", to, res.Status)
	}
	return json.Unmarshal(text, v)
}
