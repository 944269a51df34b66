package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode"

	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Fetcher reads the text of a secret at a stage: AWSCURRENT, AWSPENDING or AWSPREVIOUS.
type Fetcher interface {
	Fetch(ctx context.Context, id, stage string) ([]byte, error)
}

const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"
)

// Manager is a [Source] in Secrets Manager. It fetches at the first use, once for all
// who wait, and again only when LWA refuses what it has: a warm function asks nobody.
type Manager struct {
	Fetcher Fetcher
	ID      string // of the secret: {"client_id":"…","client_secret":"…"}

	cache cache[LWA]
}

// Current implements [Source].
func (m *Manager) Current(ctx context.Context) (LWA, error) {
	return m.cache.get(ctx, m.fetch)
}

// Reload implements [Source]: what is current now, then what is pending and what was
// before. A version that can't be had is left out, be it that there is none, as of most
// secrets, or that it was written wrongly; no version at all is an error.
func (m *Manager) Reload(ctx context.Context) ([]LWA, error) {
	var versions []LWA
	c, failed := m.cache.renew(ctx, m.fetch)
	if failed == nil {
		versions = append(versions, c)
	}
	for _, stage := range []string{pending, previous} {
		if v, err := m.at(ctx, stage); err == nil {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return nil, failed
	}
	return versions, nil
}

func (m *Manager) fetch(ctx context.Context) (LWA, error) { return m.at(ctx, current) }

func (m *Manager) at(ctx context.Context, stage string) (LWA, error) {
	text, err := m.Fetcher.Fetch(ctx, m.ID, stage)
	if err != nil {
		return LWA{}, fmt.Errorf("reading LWA credentials: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return LWA{}, fmt.Errorf("reading LWA credentials in secret %s: %w", m.ID, err)
	}
	return c, nil
}

// Limits on the members of the secret. Amazon documents 100 bytes for a client ID, and
// nothing for a client secret.
const (
	maxText         = 64 << 10
	maxClientID     = 100
	maxClientSecret = 1 << 10
)

// Parse reads LWA credentials, {"client_id":"…","client_secret":"…"}. Its errors name the
// member to change, and no value.
func Parse(text []byte) (LWA, error) {
	var in struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if len(text) > maxText || json.Unmarshal(text, &in) != nil || !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return LWA{}, errors.New(`it must be a JSON object, {"client_id":"…","client_secret":"…"}`)
	}
	switch {
	case !printable(in.ClientID, maxClientID):
		return LWA{}, fmt.Errorf("client_id must be the client ID of the security profile: 1 to %d characters without spaces", maxClientID)
	case !printable(in.ClientSecret, maxClientSecret):
		return LWA{}, fmt.Errorf("client_secret must be the client secret of the security profile: 1 to %d characters without spaces", maxClientSecret)
	}
	return LWA{ClientID: in.ClientID, ClientSecret: lwa.NewSecret(in.ClientSecret)}, nil
}

func printable(s string, limit int) bool {
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

// Keys is a [seal.Source] in Secrets Manager. It fetches at the first use, and again when a
// text names a key that the ring does not hold, but not more than once a minute. So a
// function that is warm seals with the primary key that it knows, and an old key must stay
// in the ring until every function has been started anew, as a deployment does.
type Keys struct {
	Fetcher Fetcher
	ID      string           // of the secret; see [seal.Parse]
	Now     func() time.Time // nil: time.Now

	cache cache[*seal.Ring]
}

// Ring implements [seal.Source].
func (k *Keys) Ring(ctx context.Context) (*seal.Ring, error) {
	return k.cache.get(ctx, k.fetch)
}

func (k *Keys) fetch(ctx context.Context) (*seal.Ring, error) {
	text, err := k.Fetcher.Fetch(ctx, k.ID, current)
	if err != nil {
		return nil, fmt.Errorf("reading key ring: %w", err)
	}
	ring, err := seal.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading key ring in secret %s: %w", k.ID, err)
	}
	return ring.Reloading(k.reload), nil
}

// reload looks for a key that was added after the ring was read.
func (k *Keys) reload(string) (*seal.Ring, error) {
	const often = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	return k.cache.newer(ctx, often, k.Now, k.fetch)
}
