package main

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// modules reads a drawn code back: true is dark.
func modules(t *testing.T, drawn string) (rows [][]bool) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSuffix(drawn, "\n"), "\n") {
		var upper, lower []bool
		for _, r := range line {
			halves, ok := map[rune][2]bool{' ': {true, true}, '█': {false, false}, '▄': {true, false}, '▀': {false, true}}[r]
			if !ok {
				t.Fatalf("the code holds %q", r)
			}
			upper, lower = append(upper, halves[0]), append(lower, halves[1])
		}
		rows = append(rows, upper, lower)
	}
	return rows
}

// quietZone is the width of the light border.
const quietZone = 2

func TestQR(t *testing.T) {
	const text = "https://example.com/code?x=1"
	want, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	rows := modules(t, new(terminal).qr(text))
	for y, row := range rows {
		for x, dark := range row {
			if wanted := want.Black(x-quietZone, y-quietZone); y < want.Size+2*quietZone && dark != wanted {
				t.Fatalf("module %d, %d is dark: %v, want %v", x, y, dark, wanted)
			}
		}
	}
	if len(rows) < want.Size+2*quietZone-1 || len(rows[0]) != want.Size+2*quietZone {
		t.Errorf("it is %d modules high and %d wide, want %d", len(rows), len(rows[0]), want.Size+2*quietZone)
	}
}

// Drawn in colours it names both, so that a light terminal does not turn them around.
func TestQRInColors(t *testing.T) {
	plain, painted := new(terminal).qr("x"), (&terminal{color: true}).qr("x")
	for line := range strings.Lines(painted) {
		if !strings.HasPrefix(line, "\x1b[38;5;231;48;5;16m") || !strings.HasSuffix(line, "\x1b[0m\n") {
			t.Fatalf("a line is %q", line)
		}
	}
	if got := strings.NewReplacer(whiteOnBlack, "", noColors, "").Replace(painted); got != plain {
		t.Errorf("in colours it is another code:\n%s\n%s", got, plain)
	}
}
