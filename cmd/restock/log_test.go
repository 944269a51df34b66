package main

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// A device chooses its client ID, and the line with it is shown on a terminal.
func TestLineHandlerQuotes(t *testing.T) {
	for value, want := range map[string]string{
		"ACME::1":     `id=ACME::1`,
		"caf\u00e9":   "id=caf\u00e9",
		"":            `id=`,
		"a b":         `id="a b"`,
		`a"b`:         `id="a\"b"`,
		"a\x1b[2Jb":   `id="a\x1b[2Jb"`,
		"a\x7fb":      `id="a\x7fb"`,
		"a\u009b2Jb":  `id="a\u009b2Jb"`,
		"a\x9b2Jb":    `id="a\x9b2Jb"`, // no UTF-8
		"a\u202eb":    `id="a\u202eb"`,
		"a\u2066b":    `id="a\u2066b"`,
		"a\u2028b":    `id="a\u2028b"`,
		"a\u00a0b":    `id="a\u00a0b"`,
		"a\U000e0041": `id="a\U000e0041"`,
	} {
		var out bytes.Buffer
		log := slog.New(&lineHandler{out: &out, mu: new(sync.Mutex)})
		log.Info("refused", "id", value)
		log.With("id", value).Info("refused")
		for line := range strings.Lines(out.String()) {
			if got := strings.TrimSuffix(line, "\n"); !strings.HasSuffix(got, "refused  "+want) {
				t.Errorf("%q is shown as %q, want %s at its end", value, got, want)
			}
		}
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%q makes %d lines, want 2", value, n)
		}
	}
}
