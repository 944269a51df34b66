// Package pairing starts pairings, says how far they have come, and tells whose a
// device key is.
//
// A pairing lets a device without a browser wait for its customer, who finishes it at
// a URL. Its key is given to the device at once and sleeps until then, so that no
// answer that gets lost can lose it. Its ID follows from the key: whoever holds the
// key can ask for the pairing, and is told that it has expired when the record is gone.
package pairing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

// Interval is how long a device should wait between two polls.
const Interval = 3 * time.Second

// Putter is what starting a pairing needs of the store.
type Putter interface {
	Put(ctx context.Context, rec store.Record) error
}

// Starter starts pairings.
type Starter struct {
	Store Putter
	// RedirectURL is our callback as registered with Amazon: the customer finishes at
	// its origin.
	RedirectURL string
	Now         func() time.Time // nil: time.Now
}

// Started is a pairing that waits for its customer.
type Started struct {
	ID        string
	DeviceKey string // for the device alone; sleeps until the customer has finished
	URL       string // for the customer: a page that shows the device
	ExpiresAt time.Time
	Interval  time.Duration
}

// Start starts a pairing that makes a device key. byOwner says that the caller has
// shown the present key, and so may move the device to another customer.
func (s *Starter) Start(ctx context.Context, d thing.Device, byOwner bool) (*Started, error) {
	key := devicekey.New(d.Name())
	p := &store.Pairing{ID: devicekey.PairingID(key), Thing: d.Name(), KeyHash: devicekey.Hash(key), ByOwner: byOwner}
	link, err := s.start(ctx, p)
	if err != nil {
		return nil, err
	}
	return &Started{ID: p.ID, DeviceKey: key, URL: link, ExpiresAt: p.ExpiresAt, Interval: Interval}, nil
}

// StartOverMQTT starts a pairing for a thing that asked over MQTT, where the
// connection proves which thing it is. It makes no key, and may move the device to
// another customer. A name that is no thing name is an error.
func (s *Starter) StartOverMQTT(ctx context.Context, name string) (message.Pairing, error) {
	if _, err := thing.Parse(name); err != nil {
		return message.Pairing{}, err
	}
	id := make([]byte, 16) // the form of devicekey.PairingID
	_, _ = rand.Read(id)   // never fails: crypto/rand ends the program instead
	p := &store.Pairing{ID: hex.EncodeToString(id), Thing: name, ByOwner: true}
	link, err := s.start(ctx, p)
	if err != nil {
		return message.Pairing{}, err
	}
	return message.Pairing{URL: link, ExpiresAt: p.ExpiresAt}, nil
}

// start stores p and returns the URL of its customer.
func (s *Starter) start(ctx context.Context, p *store.Pairing) (string, error) {
	u, err := ParseRedirectURL(s.RedirectURL)
	if err != nil {
		return "", err
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	p.Status = store.PairingWaiting
	p.ExpiresAt = now().UTC().Truncate(time.Millisecond).Add(store.PairingTTL)
	if err := s.Store.Put(ctx, p); err != nil {
		return "", fmt.Errorf("starting pairing of %s: %w", p.Thing, err)
	}
	// The page that shows the device, beside the callback.
	return u.ResolveReference(&url.URL{Path: "./", RawQuery: "pairing=" + p.ID}).String(), nil
}
