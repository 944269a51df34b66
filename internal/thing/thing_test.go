package thing_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/restock-dev/restock/internal/thing"
)

func TestNameRoundTrips(t *testing.T) {
	allowed := regexp.MustCompile(`^[A-Za-z0-9:_-]{1,128}$`)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[A-Za-z0-9_+-]{1,64}`)
		d, err := thing.New(part.Draw(t, "model"), part.Draw(t, "serial"))
		if errors.Is(err, thing.ErrTooLong) {
			t.Skip()
		}
		if err != nil {
			t.Fatal(err)
		}
		if !allowed.MatchString(d.Name()) {
			t.Fatalf("Name() = %q, not a legal thing name", d.Name())
		}
		if back, err := thing.Parse(d.Name()); err != nil || back != d {
			t.Fatalf("Parse(%q) = %+v, %v, want %+v", d.Name(), back, err, d)
		}
	})
}

func TestNameIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[A2B+]{1,4}`) // short and close to the escape
		a := thing.Device{Model: part.Draw(t, "model a"), Serial: part.Draw(t, "serial a")}
		b := thing.Device{Model: part.Draw(t, "model b"), Serial: part.Draw(t, "serial b")}
		if a != b && a.Name() == b.Name() {
			t.Fatalf("%+v and %+v are both %q", a, b, a.Name())
		}
	})
}

func TestNewRefuses(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, tt := range []struct{ name, model, serial, want string }{
		{"empty model", "", "SN1", "device_model"},
		{"empty serial", "VAC", "", "serial"},
		{"65 characters", long + "x", "SN1", "device_model"},
		{"slash", "VAC", "a/b", "serial"},
		{"colon", "VAC:", "a", "device_model"},
		{"not ASCII", "VAC", "é", "serial"},
		{"newline at the end", "VAC", "SN1\n", "serial"},
		{"together over 128 bytes", long, strings.Repeat("+", 64), "128 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := thing.New(tt.model, tt.serial); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New() error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, name := range []string{"", "VAC", "::", "VAC::", "::SN1", "VAC::a+b", "VAC::a::b", "VAC:SN1", "VAC::SN1/x"} {
		if d, err := thing.Parse(name); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", name, d)
		}
	}
}
