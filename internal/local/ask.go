package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// ErrNotRunning is returned when no process owns the data file, or it gives no answer.
var ErrNotRunning = errors.New("no restock up is running")

// AskStatus asks the process that owns a data file how it is doing.
func AskStatus(ctx context.Context, data string) (s Status, err error) {
	return s, ask(ctx, data, "/status", &s)
}

// AskDevices asks the process that owns a data file for its devices, or for those
// whose thing name is given.
func AskDevices(ctx context.Context, data, thing string) (all []Device, err error) {
	path := "/devices"
	if thing != "" {
		path += "/" + url.PathEscape(thing)
	}
	return all, ask(ctx, data, path, &all)
}

const askTimeout = 10 * time.Second

func ask(ctx context.Context, data, path string, answer any) error {
	socket, err := socketPath(data)
	if err != nil {
		return err
	}
	c := http.Client{Timeout: askTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://restock"+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("%w with the data file %s; start one with: restock up", ErrNotRunning, data)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the restock up with the data file %s answered %s", data, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the answer of the restock up with the data file %s: %w", data, err)
	}
	return nil
}
