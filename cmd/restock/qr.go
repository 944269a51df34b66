package main

import (
	"strings"

	"github.com/mdp/qrterminal/v3"
)

// qr draws text as a QR code of half blocks, two modules in a character, with the
// quiet zone that scanners need. It is drawn light on dark, as terminals mostly are;
// scanners read both.
func qr(text string) string {
	var b strings.Builder
	qrterminal.GenerateWithConfig(text, qrterminal.Config{
		Level: qrterminal.L, Writer: &b, HalfBlocks: true, QuietZone: 2,
		BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
		BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
	})
	return b.String()
}
