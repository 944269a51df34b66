// Package devicekey makes and reads device keys, the credential of a device.
//
// A key is the device's thing name and 256 random bits. The name only says where
// to look; what is stored is a hash of the whole. A key in hand also leads to the
// pairing that it was made for, before any registration knows it.
package devicekey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/restock-dev/restock/internal/thing"
)

// ErrMalformed is returned for text that was never a device key.
var ErrMalformed = errors.New("not a device key")

const secretBytes = 32

var encoding = base64.RawURLEncoding.Strict()

// New makes a key for a thing.
func New(name string) string {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	return encoding.EncodeToString([]byte(name)) + "." + encoding.EncodeToString(secret)
}

// Thing returns the thing name that a key claims; only its hash proves it.
func Thing(key string) (string, error) {
	head, tail, ok := strings.Cut(key, ".")
	if !ok || len(key) > 256 {
		return "", ErrMalformed
	}
	secret, err := encoding.DecodeString(tail)
	if err != nil || len(secret) != secretBytes {
		return "", ErrMalformed
	}
	name, err := encoding.DecodeString(head)
	if err != nil {
		return "", ErrMalformed
	}
	if _, err := thing.Parse(string(name)); err != nil {
		return "", ErrMalformed
	}
	return string(name), nil
}

// Hash returns what is stored of a key, in hexadecimal. A slow hash would add
// nothing: the key holds 256 random bits.
func Hash(key string) string { return digest("restock device key\x00", key) }

// Matches reports, in constant time, whether hash is that of key. No key matches
// the empty hash.
func Matches(key, hash string) bool {
	return subtle.ConstantTimeCompare([]byte(Hash(key)), []byte(hash)) == 1
}

// PairingID returns the ID of the pairing that was started with a new key. It is
// public, and tells nothing of the key or of its hash.
func PairingID(key string) string { return digest("restock pairing\x00", key)[:32] }

func digest(domain, key string) string {
	sum := sha256.Sum256([]byte(domain + key))
	return hex.EncodeToString(sum[:])
}
