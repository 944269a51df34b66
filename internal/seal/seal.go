// Package seal encrypts tokens for storage, so that reading the table tells nothing.
//
// A key ring holds named keys. One of them is primary and seals; all of them open. To
// change keys, add an entry and make it primary: what an older key sealed opens as
// long as its entry stays, and is sealed anew whenever it is written. An entry can go
// once nothing sealed by it is left; a text of a key that is gone opens no more and
// says which one is missing.
//
// A sealed text is "v1.<key ID>.<base64url of nonce, ciphertext and tag>", AES-256-GCM
// under a key that HKDF-SHA-256 makes of the entry's text. The associated data are
// thing, field and key ID, so that a text moved to another record does not open. The
// nonce is random: a key is good for 2^32 texts (NIST SP 800-38D §8.3), which a million
// devices that refresh every hour need three months for.
package seal

import (
	"context"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Fields that are sealed.
const (
	FieldAccessToken  = "access_token"
	FieldRefreshToken = "refresh_token"
	FieldVerifier     = "verifier"
)

const (
	version   = "v1"
	maxPlain  = 16 << 10 // bytes; the longest token of LWA has 2048
	maxSealed = 24 << 10 // bytes: maxPlain in base64, and some
)

var encoding = base64.RawURLEncoding.Strict() // one text for one value

// ErrSealed is wrapped by the errors of [Ring.Open] about a text that is malformed, was
// changed, or was made for another record, field or key.
var ErrSealed = errors.New("sealed text does not open")

// UnknownKeyError is returned by [Ring.Open] for a text of a key that the ring does not
// hold.
type UnknownKeyError struct {
	ID string // as the text names it
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("key %s is not in the key ring: put it back, or pair the device again", e.ID)
}

// Ring is a key ring, made by [Parse]. It is safe for concurrent use, and nothing
// prints its keys.
type Ring struct {
	primary string
	keys    map[string]key
	reload  func(id string) (*Ring, error)
}

// key keeps a cipher in a function, where fmt and other users of reflection don't see it.
type key func() cipher.AEAD

// Seal encrypts plain, at most 16 KiB, for one field of one thing.
func (r *Ring) Seal(thing, field, plain string) (string, error) {
	if len(plain) > maxPlain {
		return "", fmt.Errorf("sealing %s of %s: %d bytes are over %d", field, thing, len(plain), maxPlain)
	}
	box := r.keys[r.primary]().Seal(nil, nil, []byte(plain), boundTo(thing, field, r.primary)) //nolint:gosec // G407: no nonce is given, the AEAD makes its own
	return version + "." + r.primary + "." + encoding.EncodeToString(box), nil
}

// Open decrypts what [Ring.Seal] made for the same thing and field.
//
// Errors: [*UnknownKeyError], or one that wraps [ErrSealed]. None tells any of the text.
func (r *Ring) Open(thing, field, sealed string) (string, error) {
	id, box, ok := split(sealed)
	if !ok {
		return "", fmt.Errorf("opening %s of %s: %w: it is malformed", field, thing, ErrSealed)
	}
	k, err := r.find(id)
	if err != nil {
		return "", fmt.Errorf("opening %s of %s: %w", field, thing, err)
	}
	plain, err := k().Open(nil, nil, box, boundTo(thing, field, id))
	if err != nil {
		return "", fmt.Errorf("opening %s of %s: %w: it was changed, or made for another record, field or key", field, thing, ErrSealed)
	}
	return string(plain), nil
}

func split(sealed string) (id string, box []byte, ok bool) {
	if len(sealed) > maxSealed || strings.ContainsAny(sealed, "\r\n") { // which base64 would skip
		return "", nil, false
	}
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != version || !idForm.MatchString(parts[1]) {
		return "", nil, false
	}
	box, err := encoding.DecodeString(parts[2])
	return parts[1], box, err == nil
}

func (r *Ring) find(id string) (key, error) {
	if k, ok := r.keys[id]; ok {
		return k, nil
	}
	unknown := &UnknownKeyError{ID: id}
	if r.reload == nil {
		return nil, unknown
	}
	newer, err := r.reload(id)
	if err != nil {
		return nil, errors.Join(unknown, err)
	}
	if k, ok := newer.keys[id]; ok {
		return k, nil
	}
	return nil, unknown
}

// Reloading returns the same ring, which calls reload where [Ring.Open] meets the ID of
// a key that the ring does not hold, and looks for it in what reload returns: the ring
// may have got a key since it was read. reload decides how often it really reads.
func (r *Ring) Reloading(reload func(id string) (*Ring, error)) *Ring {
	return &Ring{primary: r.primary, keys: r.keys, reload: reload}
}

// boundTo is the associated data: each part with its length before it, so that no two
// lists of parts give the same bytes.
func boundTo(parts ...string) []byte {
	var data []byte
	for _, p := range parts {
		data = binary.BigEndian.AppendUint64(data, uint64(len(p)))
		data = append(data, p...)
	}
	return data
}

// Has reports whether the ring holds a key of this ID.
func (r *Ring) Has(id string) bool { return r.keys[id] != nil }

// String implements [fmt.Stringer]; it names the primary key and no more.
func (r *Ring) String() string { return "key ring with primary key " + r.primary }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (r *Ring) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, r.String()) // fmt keeps no write errors either
}

// LogValue implements [slog.LogValuer].
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Source hands out the ring: from a file, or from Secrets Manager at the first use.
type Source interface {
	Ring(ctx context.Context) (*Ring, error)
}

// Static is a Source that always has the same ring.
func Static(r *Ring) Source { return static{r} }

type static struct{ ring *Ring }

func (s static) Ring(context.Context) (*Ring, error) { return s.ring, nil }
