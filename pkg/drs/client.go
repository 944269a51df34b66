package drs

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultURL is the one documented host, for every marketplace.
//
// Source: developer.amazon.com/docs/dash/api-overview.html
const DefaultURL = "https://dash-replenishment-service-na.amazon.com"

// Limits, in bytes. Amazon names none but that of an event instance ID (255) and of a
// token (2048); the others leave room.
const (
	maxBody  = 1 << 20 // of an answer that is read
	maxToken = 8 << 10
	maxID    = 255 // slot, device model, serial, event instance ID
	maxText  = 512 // of a text that is passed on for people
	maxCode  = 128 // detail code, order status, exception name, request ID
)

// defaultTimeout is for a whole call. It stays under the 29 seconds that API Gateway
// gives a function.
const defaultTimeout = 10 * time.Second

var defaultHTTPClient = &http.Client{Timeout: defaultTimeout}

// Client calls DRS with a device's access token. The zero Client is ready to use. Its
// methods may be called at the same time; its fields must not be changed meanwhile.
type Client struct {
	// BaseURL is where DRS answers; "": [DefaultURL].
	BaseURL string
	// HTTPClient sends the requests; nil: one with a timeout of 10 seconds. Its
	// CheckRedirect is not used, since no redirect is followed.
	HTTPClient *http.Client
}

// call is a row of the table of calls: how the request and the answer are typed.
type call struct {
	op, method, input, result string
}

const typePrefix = "com.amazon.dash.replenishment."

// The calls. Source: developer.amazon.com/docs/dash/api-overview.html and the page of
// each endpoint.
var (
	callReplenish      = call{OpReplenish, http.MethodPost, "DrsReplenishInput@1.0", "DrsReplenishResult@1.0"}
	callSlotStatus     = call{OpSlotStatus, http.MethodPost, "DrsSlotStatusInput@1.0", "DrsSlotStatusResult@1.0"}
	callDeviceStatus   = call{OpDeviceStatus, http.MethodPost, "DrsDeviceStatusInput@1.0", "DrsDeviceStatusResult@1.0"}
	callSubscriptions  = call{OpSubscriptionInfo, http.MethodGet, "DrsSubscriptionInfoInput@1.0", "DrsSubscriptionInfoResult@2.0"}
	callSubscriptionV1 = call{OpSubscriptionInfo, http.MethodGet, "DrsSubscriptionInfoInput@1.0", "DrsSubscriptionInfoResult@1.0"}
	callOrder          = call{OpOrderInfo, http.MethodGet, "DrsOrderInfoInput@1.0", "DrsOrderInfoResult@1.0"}
	callDeregister     = call{OpDeregister, http.MethodDelete, "DrsDeregisterInput@2.0", "DrsDeregisterResult@1.0"}
	callDeregisterV1   = call{OpDeregister, http.MethodDelete, "DrsDeregisterInput@1.0", "DrsDeregisterResult@1.0"}
	callCancelTests    = call{OpCancelTestOrders, http.MethodDelete, "DrsCancelTestOrdersInput@1.0", "DrsCancelTestOrdersResult@1.0"}
)

// do makes a call and returns its answer if that is a success. path are the segments
// of the path, unescaped; a nil body is none.
func (c *Client) do(ctx context.Context, k call, accessToken string, body []byte, path ...string) (*answer, error) {
	if why := unsendable(accessToken, path); why != "" {
		return nil, &Error{Op: k.op, Message: why}
	}
	req, err := c.request(ctx, k, accessToken, body, path)
	if err != nil {
		return nil, err
	}
	res, err := c.httpClient().Do(req)
	if err != nil {
		return nil, noAnswer(ctx, k.op, err, accessToken)
	}
	defer func() { _ = res.Body.Close() }() // what matters of it has been read
	a := &answer{op: k.op, status: res.StatusCode, header: res.Header, token: accessToken}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case len(a.body) > maxBody:
		a.body, a.broken = nil, "the answer is over 1 MiB"
	case err != nil && a.decided():
		a.body = nil // the status says enough
	case err != nil:
		return nil, noAnswer(ctx, k.op, err, accessToken)
	}
	return a, a.refusal()
}

func (c *Client) request(ctx context.Context, k call, accessToken string, body []byte, path []string) (*http.Request, error) {
	base := c.BaseURL
	if base == "" {
		base = DefaultURL
	}
	if !isBase(base) {
		return nil, &Error{Op: k.op, Message: "the client's BaseURL is no base of an API, such as " + DefaultURL}
	}
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, strings.TrimRight(base, "/")+escapePath(path), r)
	if err != nil {
		return nil, &Error{Op: k.op, Message: "the client's BaseURL can't be used"}
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	req.Header.Set("x-amzn-type-version", typePrefix+k.input)
	req.Header.Set("x-amzn-accept-type", typePrefix+k.result)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

// httpClient returns the caller's client, but one that follows no redirect: a token
// goes to DRS and nowhere else, and an order is sent once.
func (c *Client) httpClient() *http.Client {
	hc := *defaultHTTPClient
	if c.HTTPClient != nil {
		hc = *c.HTTPClient
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &hc
}

// unsendable says why a call can't be made, "" if it can.
func unsendable(accessToken string, path []string) string {
	switch {
	case accessToken == "":
		return "the access token is empty"
	case len(accessToken) > maxToken:
		return "the access token is over 8 KiB"
	case strings.ContainsFunc(accessToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "the access token has characters that no token has"
	}
	for _, segment := range path {
		if segment == "" || len(segment) > maxID {
			return "a slot, event instance ID, device model or serial must have 1 to 255 bytes"
		}
	}
	return ""
}

// escapePath percent-encodes everything but letters, digits and - _ . ~, and the dots
// of a segment that has nothing else: "." and ".." would be taken for directories.
func escapePath(path []string) string {
	var b strings.Builder
	for _, segment := range path {
		escaped := strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
		if segment == "." || segment == ".." {
			escaped = strings.ReplaceAll(segment, ".", "%2E")
		}
		b.WriteString("/" + escaped)
	}
	return b.String()
}
