package lwa

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const (
	redacted = "[redacted]"
	empty    = "[empty]"
)

var errRedacted = errors.New("lwa: a secret that was printed as " + redacted + " can't be read again: store what Reveal returns, sealed")

// Secret is a value that nothing prints: not fmt with any verb, not JSON, not slog,
// and not when it is buried in a field of another struct. The zero Secret is empty.
//
// Compare with [Secret.Equal]; the operator == compares identity.
type Secret struct{ box *box }

// box keeps the value behind a function, since reflection, which fmt and comparing
// packages use on unexported fields, sees through a pointer but not into a closure.
type box struct{ open func() string }

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&box{func() string { return s }}}
}

// Reveal returns the value. What it returns prints like any other string.
func (s Secret) Reveal() string {
	if s.box == nil {
		return ""
	}
	return s.box.open()
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.box == nil }

// Equal reports whether both hold the same value, in a time that doesn't tell how
// much of it is the same.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String implements [fmt.Stringer]; it tells only whether there is a value.
func (s Secret) String() string {
	if s.IsZero() {
		return empty
	}
	return redacted
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt keeps no write errors either
}

// GoString implements [fmt.GoStringer].
func (s Secret) GoString() string { return s.String() }

// MarshalText implements [encoding.TextMarshaler], and with it JSON: it writes what
// String returns. A secret that is to be stored has to be revealed and sealed.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler], so that configuration in JSON, in
// environment variables and the like can hold a secret. What MarshalText wrote of one is refused:
// there is no secret in it.
func (s *Secret) UnmarshalText(text []byte) error {
	switch string(text) {
	case redacted:
		return errRedacted
	case empty:
		text = nil
	}
	*s = NewSecret(string(text))
	return nil
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
