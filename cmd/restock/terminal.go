package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"golang.org/x/term"
)

// terminal is where a command reads and prints.
type terminal struct {
	in, out, err *os.File
	color        bool // out takes colours, and they are wanted
	live         bool // out is a terminal, which can be drawn over

	mu   sync.Mutex
	busy string // what is drawn as under way, "" for nothing
	lost error  // what came of the first line that could not be printed
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// wantsColor keeps to https://no-color.org.
func wantsColor(f *os.File) bool {
	return isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// printf prints a line, above what is drawn as under way.
func (t *terminal) printf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	if _, err := fmt.Fprintf(t.out, format+"\n", args...); err != nil && t.lost == nil {
		t.lost = err
	}
	t.draw()
}

// printed returns why a line could not be printed, if one could not.
func (t *terminal) printed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// note tells a person something beside what is printed, above what is drawn as under way.
func (t *terminal) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	fmt.Fprintln(t.err, text)
	t.draw()
}

// progress draws text as under way until the next call; "" ends it. Where nothing can
// be drawn over, nothing is drawn.
func (t *terminal) progress(text string) {
	if !t.live {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	t.busy = text
	t.draw()
}

func (t *terminal) wipe() {
	if t.busy != "" {
		fmt.Fprint(t.out, "\r\x1b[2K")
	}
}

func (t *terminal) draw() {
	if t.busy != "" {
		fmt.Fprint(t.out, t.dim(t.fit("… "+t.busy)))
	}
}

// fit cuts text so that it stays on one line, which is all that wipe takes away.
func (t *terminal) fit(text string) string {
	width, _, err := term.GetSize(int(t.out.Fd()))
	letters := []rune(text)
	if err != nil || width < 1 || len(letters) < width {
		return text
	}
	return string(letters[:width-1])
}

// json prints v as one line.
func (t *terminal) json(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err = fmt.Fprintf(t.out, "%s\n", text)
	return err
}

func (t *terminal) paint(code, text string) string {
	if !t.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *terminal) bold(s string) string  { return t.paint("1", s) }
func (t *terminal) dim(s string) string   { return t.paint("2", s) }
func (t *terminal) green(s string) string { return t.paint("32", s) }
func (t *terminal) red(s string) string   { return t.paint("31", s) }
func (t *terminal) link(s string) string  { return t.paint("36", s) }

// mark is a tick or a cross.
func (t *terminal) mark(ok bool) string {
	if ok {
		return t.green("✓")
	}
	return t.red("✗")
}
