package lwa

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// randomBytes makes a verifier of 43 characters, the shortest allowed and what
// Amazon's own sample application uses, and a state of as many bits as Amazon advises.
const randomBytes = 32

// NewVerifier makes a PKCE verifier of 256 random bits. It never leaves whoever
// will exchange the code; only its [Challenge] travels.
//
// Source: RFC 7636 §4.1; developer.amazon.com/docs/dash/lwa-mobile-sdk.html
func NewVerifier() Secret { return NewSecret(random()) }

// NewState makes a state of 256 random bits, for [AuthRequest]. Keep it where only this
// browser's next request finds it, in a cookie for instance, until [ReadRedirect] compares it.
//
// Source: developer.amazon.com/docs/login-with-amazon/cross-site-request-forgery.html
func NewState() string { return random() }

func random() string {
	b := make([]byte, randomBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// Challenge returns the S256 challenge of a verifier, for [AuthRequest]. It is no
// secret.
//
// Source: RFC 7636 §4.2
func Challenge(verifier Secret) string {
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
