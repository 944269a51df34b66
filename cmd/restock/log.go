package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// logHandler is calm on a terminal, and for programs elsewhere.
func logHandler(t *terminal, asJSON, verbose bool) slog.Handler {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	o := &slog.HandlerOptions{Level: level}
	switch {
	case asJSON:
		return slog.NewJSONHandler(t.err, o)
	case isTerminal(t.err):
		return &lineHandler{out: t.err, level: level, color: wantsColor(t.err), mu: new(sync.Mutex)}
	}
	return slog.NewTextHandler(t.err, o)
}

// lineHandler writes a record as a line for people: time, message, attributes.
type lineHandler struct {
	out    io.Writer
	level  slog.Level
	color  bool
	prefix string // attributes given before
	mu     *sync.Mutex
}

// Enabled implements [slog.Handler].
func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements [slog.Handler].
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	paint := (&terminal{color: h.color}).paint
	b.WriteString(paint("2", r.Time.Format("15:04:05")) + "  ")
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(paint("31", r.Message))
	case r.Level >= slog.LevelWarn:
		b.WriteString(paint("33", r.Message))
	default:
		b.WriteString(r.Message)
	}
	attributes := h.prefix
	r.Attrs(func(a slog.Attr) bool {
		attributes += attribute(a)
		return true
	})
	b.WriteString(paint("2", attributes) + "\n")
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, b.String())
	return err
}

func attribute(a slog.Attr) string {
	text := a.Value.Resolve().String()
	if strings.ContainsFunc(text, unsafeToShow) {
		text = fmt.Sprintf("%q", text)
	}
	return "  " + a.Key + "=" + text
}

// unsafeToShow is true for what would end a value, or move a terminal's cursor or turn its
// writing around: a device chooses its client ID. Bytes that are no UTF-8 come as RuneError.
func unsafeToShow(r rune) bool {
	return r == ' ' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r)
}

// WithAttrs implements [slog.Handler].
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.prefix += attribute(a)
	}
	return &next
}

// WithGroup implements [slog.Handler]; lines for people have no groups.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }

// quiet silences what libraries log in commands that print their own story.
func quiet() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
}
