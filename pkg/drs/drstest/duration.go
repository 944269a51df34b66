package drstest

import (
	"fmt"
	"time"
)

// Duration is a [time.Duration] that JSON writes as text, such as "1h30m".
type Duration time.Duration

// String returns the duration as [time.Duration] writes it.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is no duration such as 90s or 1h30m", b)
	}
	*d = Duration(v)
	return nil
}
