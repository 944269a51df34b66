package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/restock-dev/restock/internal/message"
)

type demoCommand struct {
	JSON    bool          `name:"json" help:"Print the story as JSON, one step a line."`
	Timeout time.Duration `default:"2m" help:"Give up after this long."`
}

func (c *demoCommand) Help() string {
	return `Starts a restock up of its own, with its own data and free ports, and plays a customer, devices and Amazon against
it: pairing, orders, tokens that expire, a kill -9, consent withdrawn and given again. Exit code 1 if any step comes
out otherwise than it should.

Examples:

    restock demo
    restock demo --json | jq -r 'select(.ok == false)'`
}

func (c *demoCommand) Run(ctx context.Context, t *terminal) error {
	quiet()
	signal.Ignore(syscall.SIGPIPE) // who reads along may leave; what was started must still be ended
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "restock-demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary anyway
	s := &story{t: t, json: c.JSON, dir: dir, begun: time.Now(), browser: newBrowser()}
	defer s.end()
	if !c.JSON {
		t.printf("%s", t.bold("Restock, from an unknown device to an order, a crash and back"))
	}
	err = s.tell(ctx)
	t.progress("")
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("the story was not over after %s", c.Timeout)
	}
	s.summary(err)
	if err != nil || s.failed > 0 {
		return quietError{}
	}
	return nil
}

// step is a line of the story.
type step struct {
	Chapter string  `json:"chapter"`
	Step    string  `json:"step"`
	OK      bool    `json:"ok"`
	At      float64 `json:"at"` // seconds since the beginning
	Detail  string  `json:"detail,omitempty"`
}

// story is the demo while it is told.
type story struct {
	t       *terminal
	json    bool
	dir     string
	begun   time.Time
	chapter string
	passed  int
	failed  int

	child   *child
	browser *browser
	api     *api
	box     *control
	device  *demoDevice

	key         string         // of the device that pairs itself
	first       message.Result // of its first press
	orderStatus string         // of that order, when it was placed
}

// begin begins a chapter.
func (s *story) begin(title string) {
	s.chapter = title
	if !s.json {
		s.t.printf("\n%s", s.t.bold(title))
	}
	s.t.progress(title)
}

// check tells a step, and whether it came out as it should.
func (s *story) check(ok bool, what, detail string, args ...any) {
	if s.passed++; !ok {
		s.passed--
		s.failed++
	}
	detail = fmt.Sprintf(detail, args...)
	at := time.Since(s.begun)
	if s.json {
		_ = s.t.json(step{s.chapter, what, ok, float64(at.Milliseconds()) / 1000, detail}) // a line of output
		return
	}
	line := fmt.Sprintf("%s %s %s", s.t.dim(fmt.Sprintf("%6.2fs", at.Seconds())), s.t.mark(ok), what)
	if detail != "" {
		line += s.t.dim("  " + detail)
	}
	s.t.printf("%s", line)
}

func (s *story) summary(err error) {
	if err != nil {
		s.check(false, "the story went on", "%v", err)
		if s.child != nil {
			fmt.Fprint(s.t.err, s.child.log.String())
		}
	}
	took := time.Since(s.begun).Seconds()
	if s.json {
		_ = s.t.json(map[string]any{"event": "end", "ok": s.failed == 0, "passed": s.passed, "failed": s.failed, "seconds": took}) // a line of output
		return
	}
	if s.failed == 0 {
		s.t.printf("\n%s All %d steps came out as they should, in %.1f s.", s.t.mark(true), s.passed, took)
		return
	}
	s.t.printf("\n%s %d of %d steps came out otherwise.", s.t.mark(false), s.failed, s.passed+s.failed)
}

// end leaves nothing running.
func (s *story) end() {
	if s.device != nil {
		s.device.close()
	}
	if s.child != nil {
		s.child.kill()
	}
}
