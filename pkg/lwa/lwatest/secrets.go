package lwatest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Sizes of what is issued. Source:
// developer.amazon.com/docs/login-with-amazon/access-token.html (350 characters or
// more, 2048 bytes at most) and authorization-code.html (18 to 128 characters).
const (
	tokenRandom = 264 // bytes, 352 characters
	longToken   = 2048
	minCode     = 18
	maxCode     = 128
)

// Prefixes of tokens.
const (
	accessPrefix  = "Atza|"
	refreshPrefix = "Atzr|"
	clientPrefix  = "Atc|" // an access token that is the client's own
)

// digest is what is kept of a token, a code or a client secret. All of them are long
// and random, so a slow hash would add nothing.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

// MarshalText implements [encoding.TextMarshaler].
func (d digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *digest) UnmarshalText(b []byte) error {
	v, err := hex.DecodeString(string(b))
	if err != nil || len(v) != len(d) {
		return fmt.Errorf("a digest must be %d bytes in hexadecimal", len(d))
	}
	*d = digest(v)
	return nil
}

func (d digest) String() string { return hex.EncodeToString(d[:]) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

func newToken(prefix string, long bool) string {
	n := tokenRandom
	if long {
		n = longToken
	}
	text := base64.RawURLEncoding.AppendEncode([]byte(prefix), random(n))
	return string(text[:min(len(text), longToken)])
}

// newCode returns 28 characters that look like those of Amazon's samples.
func newCode() string { return "AN" + rand.Text() }

func newClientSecret() string { return "amzn1.oa2-cs.v1." + hex.EncodeToString(random(32)) }

func newRequestID() string {
	id := hex.EncodeToString(random(16))
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

func newGrantID() string { return rand.Text() }
