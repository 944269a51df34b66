// Package standin holds what the servers share that stand in for Amazon's: the faults that
// were scripted, a journal, a connection that needs no network, and the state that is kept.
package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// OneOf says that a value isn't one of those that are allowed; field is its JSON name.
func OneOf[T ~string](field string, value T, allowed ...T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return fmt.Errorf("%s must be one of %s", field, strings.Join(names, ", "))
}

// ReadDuration reads a duration such as "1h30m" into d.
func ReadDuration(b []byte, d *time.Duration) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is no duration such as 90s or 1h30m", b)
	}
	*d = v
	return nil
}

// Decode reads exactly one JSON value of known members: to forget the others silently
// would lose what another version kept.
func Decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value")
	}
	return nil
}

// Wait lets d pass, in real time. It returns false when ctx ended meanwhile.
func Wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
