package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Amazon steers the sandbox of a stack, which runs in a container.
type Amazon struct {
	URL string // as this machine reaches it, without a path
}

// Client is the LWA client that the sandbox knows.
type Client struct {
	ID           string   `json:"id"`
	Secret       string   `json:"secret"`
	RedirectURLs []string `json:"redirect_urls"`
}

// Notification is what DRS published.
type Notification struct {
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes"`
}

// Reset makes the sandbox an empty one that knows one LWA client.
func (a *Amazon) Reset(ctx context.Context, c Client) error {
	return a.post(ctx, "/control/reset", c)
}

// Seed adds records to what Login with Amazon knows.
func (a *Amazon) Seed(ctx context.Context, records []lwatest.Record) error {
	return a.post(ctx, "/control/seed", records)
}

// Revoke is the customer of a device who withdraws consent.
func (a *Amazon) Revoke(ctx context.Context, thing string) error {
	return a.post(ctx, "/sandbox/withdraw", map[string]string{"thing": thing})
}

// Script adds faults.
func (a *Amazon) Script(ctx context.Context, f sandbox.Faults) error {
	return a.post(ctx, "/sandbox/faults", f)
}

// Heal ends all faults.
func (a *Amazon) Heal(ctx context.Context) error {
	return do(ctx, http.MethodDelete, a.URL+"/sandbox/faults", nil, nil)
}

// Order takes an order a step further: ship, deliver, cancel or resolve.
func (a *Amazon) Order(ctx context.Context, id, step string) error {
	return a.post(ctx, "/sandbox/orders/"+url.PathEscape(id)+"/"+step, struct{}{})
}

// Advance moves the sandbox's clock on, by a duration such as "24h".
func (a *Amazon) Advance(ctx context.Context, by string) error {
	return a.post(ctx, "/sandbox/clock", map[string]string{"advance": by})
}

// Calls returns how often what was asked since the last reset.
func (a *Amazon) Calls(ctx context.Context) (c sandbox.Calls, err error) {
	return c, do(ctx, http.MethodGet, a.URL+"/sandbox/calls", nil, &c)
}

// State returns all that there is in the sandbox.
func (a *Amazon) State(ctx context.Context) (s sandbox.State, err error) {
	return s, do(ctx, http.MethodGet, a.URL+"/sandbox/state", nil, &s)
}

// Journal returns what was asked and answered lately.
func (a *Amazon) Journal(ctx context.Context) (j sandbox.Journal, err error) {
	return j, do(ctx, http.MethodGet, a.URL+"/sandbox/journal", nil, &j)
}

// Notifications returns what DRS published since the last reset.
func (a *Amazon) Notifications(ctx context.Context) (n []Notification, err error) {
	return n, do(ctx, http.MethodGet, a.URL+"/control/notifications", nil, &n)
}

func (a *Amazon) post(ctx context.Context, path string, in any) error {
	return do(ctx, http.MethodPost, a.URL+path, in, nil)
}

// do calls a service of the stack with JSON.
func do(ctx context.Context, method, address string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", method, address, res.Status, bytes.TrimSpace(text))
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}
