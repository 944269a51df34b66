package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/message"
)

// api is Restock's HTTPS API as a device uses it.
type api struct {
	base   string
	client http.Client
}

func newAPI(base string) *api {
	return &api{base: base, client: http.Client{Timeout: 30 * time.Second}}
}

// problem is what the API answers instead of what was asked for.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail + " (" + p.Code + ")" }

// is reports whether err is the API's problem with a code.
func is(err error, code string) bool {
	var p *problem
	return errors.As(err, &p) && p.Code == code
}

// pairingStarted answers the start of a pairing.
type pairingStarted struct {
	ID        string    `json:"id"`
	DeviceKey string    `json:"device_key"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
	Interval  float64   `json:"interval"` // seconds
}

// startPairing starts a pairing; key is the device's present one, or empty.
func (a *api) startPairing(ctx context.Context, model, serial, key string) (*pairingStarted, error) {
	p := new(pairingStarted)
	err := a.call(ctx, http.MethodPost, "/v1/pairings", key, map[string]string{"device_model": model, "serial": serial}, p)
	return p, err
}

// pairingStatus returns waiting, paired, refused or expired.
func (a *api) pairingStatus(ctx context.Context, id, key string) (string, error) {
	var p struct {
		Status string `json:"status"`
	}
	err := a.call(ctx, http.MethodGet, "/v1/pairings/"+url.PathEscape(id), key, nil, &p)
	return p.Status, err
}

func (a *api) registration(ctx context.Context, key string) (r message.Registration, err error) {
	return r, a.call(ctx, http.MethodGet, "/v1/registration", key, nil, &r)
}

func (a *api) replenish(ctx context.Context, key, slot, id string) (r message.Result, err error) {
	return r, a.call(ctx, http.MethodPost, "/v1/replenish", key, message.Replenish{Slot: slot, ID: id}, &r)
}

// maxAnswer bounds what is read of an answer; no good one is near it.
const maxAnswer = 1 << 20

func (a *api) call(ctx context.Context, method, path, key string, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return unreachable(ctx, a.base, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return unreachable(ctx, a.base, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		p := &problem{Status: res.StatusCode}
		if json.Unmarshal(got, p) != nil || p.Code == "" {
			return fmt.Errorf("%s answered %s, which is not what Restock answers", a.base, res.Status)
		}
		return p
	}
	if json.Unmarshal(got, answer) != nil {
		return fmt.Errorf("%s does not answer as Restock does; is another program there?", a.base)
	}
	return nil
}

// unreachableError is a Restock that gives no answer.
type unreachableError struct {
	base string
	err  error
}

func (e *unreachableError) Error() string {
	var u *url.Error
	cause := e.err
	if errors.As(cause, &u) {
		cause = u.Err // the URL is named anyway
	}
	return fmt.Sprintf("no Restock answers at %s (%v); start one with: restock up", e.base, cause)
}

func (e *unreachableError) Unwrap() error { return e.err }

func unreachable(ctx context.Context, base string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &unreachableError{base, err}
}
