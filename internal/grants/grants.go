// Package grants keeps what commands of a terminal got from Login with Amazon: sign-ins of
// a person, and tokens of an application. They lie in one file beside the data file, sealed
// with the same key ring, and are renewed by the same [tokens.Keeper] as those of devices.
//
// The file is held only for the length of a command; another command waits for it. So two
// scripts that ask for a token at the same time make one refresh.
package grants

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Kind says whose a grant is.
type Kind string

// The kinds. They are the words of RFC 6749 for who is behind a token.
const (
	Customer    Kind = "customer"    // somebody signed in
	Application Kind = "application" // client_credentials
)

// Grant is what is known of a grant without opening it. It holds no secret.
type Grant struct {
	Kind     Kind       `json:"kind"`
	ClientID string     `json:"client_id"`
	APIURL   string     `json:"api_url"` // LWA's
	Region   lwa.Region `json:"region"`
	Scopes   []string   `json:"scopes"` // sorted
	// Public is a grant that is renewed without client secret.
	Public bool `json:"public"`
	// Device is one that was given by a code pair.
	Device     bool      `json:"device,omitempty"`
	CustomerID string    `json:"customer_id,omitempty"` // "": not known
	At         time.Time `json:"at"`                    // when it was given
}

// New describes a grant of a client for scopes, in any order.
func New(kind Kind, c *lwa.Client, r lwa.Region, scopes []string) Grant {
	sorted := slices.Clone(scopes)
	slices.Sort(sorted)
	return Grant{Kind: kind, ClientID: c.ClientID, APIURL: c.Endpoint.APIURL, Region: r, Scopes: slices.Compact(sorted), Public: c.ClientSecret.IsZero()}
}

// Covers reports whether the grant is for exactly these scopes.
func (g Grant) Covers(scopes []string) bool {
	sorted := slices.Clone(scopes)
	slices.Sort(sorted)
	return slices.Equal(g.Scopes, slices.Compact(sorted))
}

// name is what tokens are sealed for, and the key of the grant: one client has one grant
// for the same scopes, and a new one replaces it.
func (g Grant) name() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{string(g.Kind), g.APIURL, g.ClientID}, g.Scopes...), "\x00")))
	return "grant:" + hex.EncodeToString(sum[:16])
}

// lockWait is how long a command waits for another, which may be asking LWA.
const lockWait = 30 * time.Second

// File keeps grants. It is made by [Open].
type File struct {
	path  string
	store *bolt.Store
	ring  *seal.Ring
	now   func() time.Time
}

var bucket = []byte("grants")

// Open opens the file at path, or makes one that only its owner may read. It waits for
// another command that has it open, until ctx ends: then the error is its cause.
func Open(ctx context.Context, path string, ring *seal.Ring, now func() time.Time) (*File, error) {
	if now == nil {
		now = time.Now
	}
	s, err := bolt.Open(path, bolt.Options{Now: now, LockWait: lockWait, Stop: ctx.Done()})
	switch {
	case errors.Is(err, bolt.ErrInUse) && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, bolt.ErrInUse):
		return nil, fmt.Errorf("%s is in use by another restock login or token, which has not ended for %s", path, lockWait)
	case errors.Is(err, bolt.ErrDamaged):
		return nil, fmt.Errorf("%s is damaged, or no file of sign-ins: move it away and sign in again", path)
	case err != nil:
		return nil, err
	}
	return &File{path: path, store: s, ring: ring, now: now}, nil
}

// Path is that of the file.
func (f *File) Path() string { return f.path }

// Close releases the file.
func (f *File) Close() error { return f.store.Close() }

// List returns all grants, the newest first.
func (f *File) List() (all []Grant, err error) {
	err = f.store.DB().View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, text []byte) error {
			var g Grant
			if err := json.Unmarshal(text, &g); err != nil {
				return fmt.Errorf("reading %s: an entry is damaged", f.path)
			}
			all = append(all, g)
			return nil
		})
	})
	slices.SortFunc(all, func(a, b Grant) int { return b.At.Compare(a.At) })
	return all, err
}

// put stores the record of a grant, and lists it.
func (f *File) put(ctx context.Context, r *store.Registration, g Grant) error {
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return f.store.PutAnd(ctx, r, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.Put([]byte(g.name()), text)
	})
}

// Remove forgets a grant. One that is not there is no error.
func (f *File) Remove(ctx context.Context, g Grant) error {
	r, err := f.get(ctx, g)
	switch {
	case errors.Is(err, ErrNone):
		return nil
	case err != nil:
		return err
	}
	err = f.store.DB().Update(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucket); b != nil {
			return b.Delete([]byte(g.name()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.store.Delete(ctx, r)
}
