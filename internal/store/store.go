// Package store holds the records that every function shares, and the contract of
// the stores that keep them.
//
// There are two stores, [bolt] for a single process and [dynamo] for the fleet, and
// one test of what they promise, [storetest]. Both know four calls:
//
//	Get(ctx, rec)    fills rec, whose key fields are set
//	Put(ctx, rec)    writes rec if nobody else has since it was read
//	Delete(ctx, rec) removes rec on the same condition
//	Due(ctx, shard, before, limit) finds registrations whose time has come
//
// Every write is conditional: a record carries the version it was read at, 0 for a
// record that must not exist yet, and Put makes the version one higher. So whatever
// two functions do at once, one of them learns of it by [ErrConflict], reads again
// and decides again. A record past its ExpiresAt is absent, to Get as to Put, whether
// or not the store has removed it yet.
//
// [bolt]: https://pkg.go.dev/github.com/restock-dev/restock/internal/store/bolt
// [dynamo]: https://pkg.go.dev/github.com/restock-dev/restock/internal/store/dynamo
// [storetest]: https://pkg.go.dev/github.com/restock-dev/restock/internal/store/storetest
package store

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/restock-dev/restock/internal/message"
)

var (
	// ErrNotFound is returned by Get for a record that does not exist or has expired.
	ErrNotFound = errors.New("record not found")

	// ErrConflict is returned by Put and Delete when the stored record is not at
	// rec's version. Nothing was written.
	ErrConflict = errors.New("record was changed by someone else")

	// ErrUnavailable is wrapped by errors after which the same call may succeed
	// later: a full disk, a throttled or unreachable table. Nothing is half-written.
	ErrUnavailable = errors.New("store is unavailable")
)

// Store keeps records. It is safe for concurrent use. Times are kept to the
// millisecond, in UTC.
type Store interface {
	// Get fills rec, a pointer to a record type with its key fields set.
	Get(ctx context.Context, rec Record) error
	// Put writes rec on condition that the stored version is rec's, and on success
	// makes rec's version one higher. Version 0: that there is no such record.
	Put(ctx context.Context, rec Record) error
	// Delete removes rec on condition that the stored version is rec's. rec's version
	// stays. Version 0, where there is no such record, is no error.
	Delete(ctx context.Context, rec Record) error
	// Due returns the things of up to limit registrations of a shard with
	// DueAt ≤ before, the longest due first. It may lag behind the records: read one
	// before acting on it.
	Due(ctx context.Context, shard string, before time.Time, limit int) ([]string, error)
}

// Key is the primary key of a record.
type Key struct {
	PK, SK string
}

// Meta is what every record has. Embed it.
type Meta struct {
	// Version is 0 for a record that was never stored.
	Version int64 `json:"version"`
	// ExpiresAt is when the record stops to exist; zero is never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Base returns the record's Meta, for the stores.
func (m *Meta) Base() *Meta { return m }

// Record is one of the pointer types of this package.
type Record interface {
	Key() Key
	Base() *Meta
}

// Status is the state of a registration.
type Status string

// The states. NotRegistered is never stored: it is how the absence of a record
// is told to a device.
const (
	Active        Status = "active"
	GrantEnded    Status = "grant_ended"
	Deregistered  Status = "deregistered"
	NotRegistered Status = "not_registered"
)

// Reasons why a registration is no longer active.
const (
	ReasonConsentWithdrawn = "consent_withdrawn" // LWA said invalid_grant
	ReasonNoRefreshToken   = "no_refresh_token"  // the hour of a grant without one is over
	ReasonDeregistered     = "deregistered"      // through our API
	ReasonByAmazon         = "deregistered_at_amazon"
	ReasonByOperator       = "freed_by_operator" // restock devices free
)

// Registration is a device tied to a customer's account, with its grant.
// AccessToken and RefreshToken are sealed (package seal) for this thing and field.
type Registration struct {
	Meta
	Thing       string `json:"thing"`
	DeviceModel string `json:"device_model"`
	Serial      string `json:"serial"`

	Status   Status    `json:"status"`
	Reason   string    `json:"reason,omitempty"`
	StatusAt time.Time `json:"status_at,omitzero"` // when Status last changed

	// Grant names the sign-in that the tokens come from; another pairing has another.
	Grant        string    `json:"grant"`
	Region       string    `json:"region"`                  // lwa.Region
	ClientID     string    `json:"client_id"`               // whom the grant was given to
	PublicClient bool      `json:"public_client,omitempty"` // refreshed without secret
	AccessToken  string    `json:"access_token,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"` // "" is not renewable
	Expiry       time.Time `json:"expiry,omitzero"`         // of the access token

	LeaseOwner string    `json:"lease_owner,omitempty"`
	LeaseUntil time.Time `json:"lease_until,omitzero"`

	// DueAt is when the sweep should refresh the token; zero is never, and leaves the
	// index. The shard follows from Thing: see [Shard].
	DueShard string    `json:"due_shard,omitempty"`
	DueAt    time.Time `json:"due_at,omitzero"`
	// DueSince is when a refresh was due first that has only failed since; zero: none has.
	DueSince time.Time `json:"due_since,omitzero"`

	Failures    int       `json:"failures,omitempty"`    // refreshes that failed in a row
	NextAttempt time.Time `json:"next_attempt,omitzero"` // no refresh before

	KeyHash    string         `json:"key_hash,omitempty"` // devicekey.Hash; "" where the device has no key
	CustomerID string         `json:"customer_id,omitempty"`
	Pairing    string         `json:"pairing,omitempty"` // the pairing that made it
	Slots      []message.Slot `json:"slots,omitempty"`
	LastActive time.Time      `json:"last_active,omitzero"`
}

// Key implements [Record].
func (r *Registration) Key() Key { return Key{"D#" + r.Thing, "REG"} }

// Renewable reports whether the grant has a refresh token.
func (r *Registration) Renewable() bool { return r.RefreshToken != "" }

// State returns what a device may know of its registration.
func (r *Registration) State() message.Registration {
	slots := r.Slots
	if slots == nil {
		slots = []message.Slot{}
	}
	return message.Registration{
		Thing: r.Thing, DeviceModel: r.DeviceModel, Serial: r.Serial,
		Status: string(r.Status), Reason: r.Reason, Renewable: r.Renewable(),
		Slots: slots, At: r.StatusAt.UTC(),
	}
}

// End makes the registration inactive: its tokens, lease and due time go, its key
// stays known.
func (r *Registration) End(status Status, reason string, at time.Time) {
	r.Status, r.Reason, r.StatusAt = status, reason, at
	r.AccessToken, r.RefreshToken, r.Expiry = "", "", time.Time{}
	r.LeaseOwner, r.LeaseUntil = "", time.Time{}
	r.DueShard, r.DueAt, r.DueSince = "", time.Time{}, time.Time{}
	r.Failures, r.NextAttempt = 0, time.Time{}
}

// Shard returns the due shard, "0" to n-1, of a thing.
func Shard(thing string, n int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(thing)) // a hash never fails
	return strconv.Itoa(int(h.Sum32()) % n)
}

// MessageTTL is how long a message is remembered after the last attempt. Dead letters are
// kept for longer, so the memory alone does not keep a redriven one from ordering twice:
// nothing is ordered for a message of replenish.MaxAge or older, which is far below this.
const MessageTTL = 7 * 24 * time.Hour

// MessageState is how far a message has come.
type MessageState string

// The states of a message. A claim that is older than ClaimUntil was left behind by
// a function that died, and may be taken over.
const (
	Claimed  MessageState = "claimed"
	Retrying MessageState = "retrying"
	Done     MessageState = "done"
)

// Message is one replenish asked for, by its ID.
type Message struct {
	Meta
	Thing      string       `json:"thing"`
	ID         string       `json:"id"`
	Slot       string       `json:"slot"`
	Customer   string       `json:"customer,omitempty"` // whose account the first attempt was for; "": not known
	State      MessageState `json:"state"`
	ClaimUntil time.Time    `json:"claim_until,omitzero"`
	Attempts   int          `json:"attempts,omitempty"`  // calls to DRS begun
	FirstSent  time.Time    `json:"first_sent,omitzero"` // when the first began that may have ordered
	Unknown    bool         `json:"unknown,omitempty"`   // one of them may have ordered
	// QueuedAt is when it was last known to be on its way to be tried again: put into the
	// queue, or handed back to it.
	QueuedAt time.Time      `json:"queued_at,omitzero"`
	Result   message.Result `json:"result"` // latest; final when Done
}

// Key implements [Record].
func (m *Message) Key() Key { return Key{"D#" + m.Thing, "MSG#" + m.ID} }

// Order is what is known of an order at DRS.
type Order struct {
	Meta
	Thing            string    `json:"thing"`
	InstanceID       string    `json:"instance_id"`
	Slot             string    `json:"slot"`
	Status           string    `json:"status"`
	Product          string    `json:"product,omitempty"` // ASIN
	ExpectedDelivery string    `json:"expected_delivery,omitempty"`
	At               time.Time `json:"at,omitzero"`      // of the newest notification
	Newest           string    `json:"newest,omitempty"` // instance ID, where the record stands for a slot
}

// Key implements [Record].
func (o *Order) Key() Key { return Key{"D#" + o.Thing, "ORD#" + o.InstanceID} }

// LoginTTL is how long a customer has for the consent page.
const LoginTTL = 10 * time.Minute

// Login is one authorization request under way.
type Login struct {
	Meta
	StateHash  string    `json:"state_hash"` // hex SHA-256 of state
	Thing      string    `json:"thing"`
	Verifier   string    `json:"verifier,omitempty"`    // sealed; "" is no PKCE
	CookieHash string    `json:"cookie_hash,omitempty"` // "" is good from any browser
	Pairing    string    `json:"pairing,omitempty"`
	UsedAt     time.Time `json:"used_at,omitzero"`
	Outcome    string    `json:"outcome,omitempty"` // of the exchange, for a second look
}

// Key implements [Record].
func (l *Login) Key() Key { return Key{"L#" + l.StateHash, "LOGIN"} }

// PairingTTL is how long a pairing waits for its customer.
const PairingTTL = 15 * time.Minute

// PairingStatus is how far a pairing has come.
type PairingStatus string

// The states of a pairing. An expired one is absent.
const (
	PairingWaiting PairingStatus = "waiting"
	PairingPaired  PairingStatus = "paired"
	PairingRefused PairingStatus = "refused"
)

// Pairing is a device waiting for its customer.
type Pairing struct {
	Meta
	ID      string        `json:"id"`
	Thing   string        `json:"thing"`
	KeyHash string        `json:"key_hash,omitempty"` // of the key it made; "" over MQTT
	ByOwner bool          `json:"by_owner,omitempty"` // started with the present key, or over MQTT: may move a taken device
	Status  PairingStatus `json:"status"`
}

// Key implements [Record].
func (p *Pairing) Key() Key { return Key{"P#" + p.ID, "PAIRING"} }

// Notification remembers that a notification of DRS was seen.
type Notification struct {
	Meta
	Thing string `json:"thing"`
	ID    string `json:"id"`
}

// Key implements [Record].
func (n *Notification) Key() Key { return Key{"D#" + n.Thing, "NTF#" + n.ID} }
