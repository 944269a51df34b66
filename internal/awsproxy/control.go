package awsproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	controlPath = "/_awsproxy/"
	callsPath   = controlPath + "calls"
	faultsPath  = controlPath + "faults"
)

// journal is what GET of the calls answers.
type journal struct {
	Calls []Call `json:"calls"`
	Lost  int    `json:"lost"`
}

// control serves a request that is for the proxy itself.
func (p *Proxy) control(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, controlPath) {
		return false
	}
	switch r.Method + " " + r.URL.Path {
	case "GET " + callsPath:
		var j journal
		j.Calls, j.Lost = p.Calls()
		reply(w, j)
	case "DELETE " + callsPath:
		p.Clear()
	case "GET " + faultsPath:
		reply(w, p.Faults())
	case "DELETE " + faultsPath:
		p.Heal()
	case "POST " + faultsPath:
		p.addFault(w, r)
	default:
		http.Error(w, "awsproxy: "+callsPath+" takes GET and DELETE, "+faultsPath+" also POST", http.StatusNotFound)
	}
	return true
}

func (p *Proxy) addFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxError))
	d.DisallowUnknownFields()
	err := d.Decode(&f)
	if err == nil {
		err = p.Script(f)
	}
	if err != nil {
		http.Error(w, "awsproxy: "+err.Error(), http.StatusBadRequest)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}

// Client steers a proxy in another process.
type Client struct {
	URL        string       // of the proxy, without a path
	HTTPClient *http.Client // nil: http.DefaultClient
}

// Calls is [Proxy.Calls].
func (c *Client) Calls(ctx context.Context) (calls []Call, lost int, err error) {
	var j journal
	err = c.do(ctx, http.MethodGet, callsPath, nil, &j)
	return j.Calls, j.Lost, err
}

// Clear is [Proxy.Clear].
func (c *Client) Clear(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, callsPath, nil, nil)
}

// Script is [Proxy.Script].
func (c *Client) Script(ctx context.Context, f Fault) error {
	return c.do(ctx, http.MethodPost, faultsPath, f, nil)
}

// Heal is [Proxy.Heal].
func (c *Client) Heal(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, faultsPath, nil, nil)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return err
	}
	client := c.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // what there is of it
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(text))
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}
