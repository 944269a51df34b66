// Package thing names devices.
//
// A device has one name everywhere outside Amazon's API: its thing name, which is
// the IoT thing, the MQTT client ID, a segment of every topic and the key of its
// records. It is made of the device model and the serial, and leads back to them.
package thing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// MaxName is the longest thing name that AWS IoT takes, in bytes.
const MaxName = 128

// ErrTooLong is returned for a device whose thing name is over [MaxName] bytes.
var ErrTooLong = errors.New("device model and serial are too long together: their thing name is over 128 bytes")

var characters = regexp.MustCompile(`^[A-Za-z0-9_+-]+$`)

// valid reports whether Amazon allows s for device_model and serial.
// Source: developer.amazon.com/docs/dash/lwa-web-api.html.
func valid(s string) bool { return len(s) <= 64 && characters.MatchString(s) }

// Device is one physical device of a model. The zero value is no device.
type Device struct {
	Model  string
	Serial string
}

// New checks a device model and a serial: 1 to 64 of A–Z a–z 0–9 - + _ each, and
// a thing name of at most [MaxName] bytes.
func New(model, serial string) (Device, error) {
	switch {
	case !valid(model):
		return Device{}, errors.New("device_model must be 1 to 64 of A-Z a-z 0-9 - + _")
	case !valid(serial):
		return Device{}, errors.New("serial must be 1 to 64 of A-Z a-z 0-9 - + _")
	}
	d := Device{Model: model, Serial: serial}
	if len(d.Name()) > MaxName {
		return Device{}, ErrTooLong
	}
	return d, nil
}

// Name returns the thing name: model, two colons, serial, with each + written :2B
// because a + is a wildcard in a topic and is not allowed in a thing name.
func (d Device) Name() string {
	return escape(d.Model) + "::" + escape(d.Serial)
}

// Parse turns a thing name back into its device.
func Parse(name string) (Device, error) {
	model, serial, ok := strings.Cut(name, "::")
	if !ok {
		return Device{}, fmt.Errorf("thing name %.140q is not <device model>::<serial>", name)
	}
	d, err := New(unescape(model), unescape(serial))
	if err != nil {
		return Device{}, fmt.Errorf("thing name %.140q: %w", name, err)
	}
	if d.Name() != name {
		return Device{}, fmt.Errorf("thing name %.140q has a raw + (write it :2B)", name)
	}
	return d, nil
}

func escape(s string) string   { return strings.ReplaceAll(s, "+", ":2B") }
func unescape(s string) string { return strings.ReplaceAll(s, ":2B", "+") }
