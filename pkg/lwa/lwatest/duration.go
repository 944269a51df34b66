package lwatest

import (
	"time"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

// Duration is a [time.Duration] that JSON writes as text, such as "1h30m".
type Duration time.Duration

// String returns the duration as [time.Duration] writes it.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) error {
	return standin.ReadDuration(b, (*time.Duration)(d))
}
