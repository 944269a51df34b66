package main

import (
	"strings"

	"github.com/mdp/qrterminal/v3"
)

// whiteOnBlack names both colours, of the 256 that no theme changes: in a terminal's own
// colours a light theme would turn dark and light around, which not every scanner reads.
const (
	whiteOnBlack = "\x1b[38;5;231;48;5;16m"
	noColors     = "\x1b[0m"
)

// qr draws text as a QR code of half blocks, two modules in a character, with the quiet
// zone that scanners need. Without colours it is right on a dark terminal, and inverted
// on a light one.
func (t *terminal) qr(text string) string {
	var b strings.Builder
	qrterminal.GenerateWithConfig(text, qrterminal.Config{
		Level: qrterminal.L, Writer: &b, HalfBlocks: true, QuietZone: 2,
		BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
		BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
	})
	if !t.color {
		return b.String()
	}
	var painted strings.Builder
	for line := range strings.Lines(b.String()) {
		painted.WriteString(whiteOnBlack + strings.TrimSuffix(line, "\n") + noColors + "\n")
	}
	return painted.String()
}
