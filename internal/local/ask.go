package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/web"
)

// ErrNotRunning is returned when no process owns the data file, or it gives no answer.
var ErrNotRunning = errors.New("no restock up is running")

// AskStatus asks the process that owns a data file how it is doing.
func AskStatus(ctx context.Context, data string) (s Status, err error) {
	return s, ask(ctx, data, http.MethodGet, "/status", &s)
}

// AskDevices asks the process that owns a data file for its devices, or for those
// whose thing name is given.
func AskDevices(ctx context.Context, data, thing string) (all []Device, err error) {
	path := "/devices"
	if thing != "" {
		path += "/" + url.PathEscape(thing)
	}
	return all, ask(ctx, data, http.MethodGet, path, &all)
}

// RefusedError is what a running restock up answers instead of what it was asked for.
type RefusedError struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Detail }

// AskFree has the process that owns a data file free a device: see [ownership.Owner].
func AskFree(ctx context.Context, data, thing string, anyway bool) (o ownership.Outcome, err error) {
	path := "/devices/" + url.PathEscape(thing) + "/free"
	if anyway {
		path += "?anyway"
	}
	return o, ask(ctx, data, http.MethodPost, path, &o)
}

// A question is answered at once; a change may take its time on a slow disk.
const (
	askTimeout    = 10 * time.Second
	changeTimeout = time.Minute
)

func ask(ctx context.Context, data, method, path string, answer any) error {
	socket, err := socketPath(data)
	if err != nil {
		return err
	}
	timeout := askTimeout
	if method != http.MethodGet {
		timeout = changeTimeout
	}
	c := http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://restock"+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w with the data file %s; start one with: restock up", ErrNotRunning, data)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		refused := new(RefusedError)
		if json.NewDecoder(io.LimitReader(res.Body, web.MaxBody)).Decode(refused) == nil && res.StatusCode < http.StatusInternalServerError && refused.Detail != "" {
			return refused
		}
		return fmt.Errorf("the restock up with the data file %s answered %s", data, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the answer of the restock up with the data file %s: %w", data, err)
	}
	return nil
}
