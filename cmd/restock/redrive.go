package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/redrive"
)

type redriveCommand struct {
	place
	Queue  string `enum:"all,retry,refresh,notify" default:"all" help:"Whose dead letters: all, retry (messages of devices), refresh (the sweep of tokens) or notify (notifications of DRS)."`
	Max    int    `default:"1000" placeholder:"N" help:"At most this many of each queue. Default: 1000."`
	DryRun bool   `name:"dry-run" help:"Only show what is there."`
	Yes    bool   `short:"y" help:"Don't ask."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (c *redriveCommand) Help() string {
	return `A message that could not be handled for hours lies among the dead letters. Once its cause is gone, this puts it back,
to be handled like a new one: first it shows what is there, then it asks. A press that is a day old or older is not
ordered any more, nor is a device status of that age passed on; any other message of a device is refused after an hour.

No message is lost: it is removed from the dead letters after it was accepted, and stays where it can't be read.

Exit code: 0 if all that can be read was put back, or nothing was there, 1 if not, 2 for a wrong command line.

Examples:

    restock redrive --dry-run
    restock redrive --stack restock --queue retry
    restock redrive --stack restock --region eu-west-1 --yes --json`
}

// letters are dead letters, wherever they lie.
type letters interface {
	List(ctx context.Context, queue string, limit int) (deadletter.Box, error)
	PutBack(ctx context.Context, queue string, limit int) (deadletter.Done, error)
}

func (c *redriveCommand) Run(ctx context.Context, t *terminal) error {
	if c.Max < 1 || c.Max > local.MaxLetters {
		return usageError{fmt.Sprintf("--max must be 1 to %d", local.MaxLetters)}
	}
	if !c.DryRun && !c.Yes && (c.JSON || !t.canAsk()) {
		return usageError{"nobody can be asked here: say --dry-run or --yes"}
	}
	from, err := c.letters(ctx, t)
	if err != nil {
		return err
	}
	found, err := c.look(ctx, t, from)
	if err != nil {
		return err
	}
	again, left := tally(found)
	if !c.JSON {
		showBoxes(t, found)
	}
	var (
		done   []deadletter.Done
		failed error
	)
	if again > 0 && !c.DryRun {
		if err := t.confirm(ctx, c.Yes, fmt.Sprintf("Put %s back?", count(again, "message"))); err != nil {
			return err
		}
		done, failed = c.putBack(ctx, t, from, found)
	}
	if err := c.report(t, found, done, left); err != nil || failed != nil {
		return errors.Join(failed, err)
	}
	if left > 0 && !c.DryRun {
		return quietError{}
	}
	return nil
}

// look lists what is there.
func (c *redriveCommand) look(ctx context.Context, t *terminal, from letters) ([]deadletter.Box, error) {
	var found []deadletter.Box
	defer t.progress("")
	for _, q := range c.queues() {
		t.progress("looking at the dead letters of " + q)
		box, err := from.List(ctx, q, c.Max)
		if err != nil {
			return nil, err
		}
		found = append(found, box)
	}
	return found, nil
}

func (c *redriveCommand) letters(ctx context.Context, t *terminal) (letters, error) {
	onStack, err := c.deployed()
	if err != nil {
		return nil, err
	}
	if onStack {
		s, err := c.open(ctx, t)
		if err != nil {
			return nil, err
		}
		return redrive.Of(s), nil
	}
	data, err := c.data()
	return local.Letters{Data: data}, err
}

func (c *redriveCommand) queues() []string {
	if c.Queue != "all" {
		return []string{c.Queue}
	}
	return deadletter.Queues()
}

// tally counts what can be put back, and what can't.
func tally(found []deadletter.Box) (again, left int) {
	for _, box := range found {
		for _, l := range box.Letters {
			if l.Fate == deadletter.Left {
				left++
			} else {
				again++
			}
		}
	}
	return again, left
}

// putBack puts back no more than was shown.
func (c *redriveCommand) putBack(ctx context.Context, t *terminal, from letters, found []deadletter.Box) (all []deadletter.Done, err error) {
	for _, box := range found {
		if len(box.Letters) == 0 {
			continue
		}
		t.progress("putting back the dead letters of " + box.Queue)
		done, failed := from.PutBack(ctx, box.Queue, len(box.Letters))
		t.progress("")
		all = append(all, done)
		err = errors.Join(err, failed)
	}
	return all, err
}

func (c *redriveCommand) report(t *terminal, found []deadletter.Box, done []deadletter.Done, left int) error {
	if c.JSON {
		if done == nil {
			done = []deadletter.Done{}
		}
		return t.json(map[string]any{"queues": found, "done": done, "dry_run": c.DryRun})
	}
	for _, d := range done {
		t.printf("%s %s: %s put back", t.mark(d.Left == 0), d.Queue, count(d.PutBack, "message"))
	}
	if left > 0 {
		t.printf("%s can't be read by this version and %s where %s: look at %s in the SQS console.",
			count(left, "message"), plural(left, "stays", "stay"), plural(left, "it is", "they are"), plural(left, "it", "them"))
	}
	return nil
}

// shownLetters bounds what is printed of each queue; --json has them all.
const shownLetters = 20

func showBoxes(t *terminal, found []deadletter.Box) {
	for _, box := range found {
		line := fmt.Sprintf("%s %s", t.bold(fmt.Sprintf("%-7s", box.Queue)), count(box.Count, "dead letter"))
		if box.Count > len(box.Letters) {
			line += fmt.Sprintf(", of which this is about %d: go on with another redrive, or give --max", len(box.Letters))
		}
		t.printf("%s", line)
		tooOld, malformed := 0, 0
		for i, l := range box.Letters {
			if l.Fate == deadletter.TooOld {
				tooOld++
			}
			if l.Malformed {
				malformed++
			}
			if i < shownLetters {
				t.printf("  %s", letterLine(t, &l))
			}
		}
		if more := len(box.Letters) - shownLetters; more > 0 {
			t.printf("  %s", t.dim(fmt.Sprintf("and %d more", more)))
		}
		if tooOld > 0 {
			t.printf("  %s too old: put back, %s refused. Nothing is ordered, and the device of a press hears TOO_OLD.",
				count(tooOld, "message")+plural(tooOld, " is", " are"), plural(tooOld, "it is", "they are"))
		}
		if malformed > 0 {
			t.printf("  %s can't be read by this version: put back, %s and %s here again, unless the stack's version is newer.",
				count(malformed, "notification"), plural(malformed, "it fails three times", "they fail three times"), plural(malformed, "is", "are"))
		}
	}
}

func letterLine(t *terminal, l *deadletter.Letter) string {
	line := fmt.Sprintf("%-16s  %-24s  %-20s", clock(l.At), cmp.Or(l.Thing, "-"), l.What)
	switch l.Fate {
	case deadletter.TooOld:
		line += t.red("  too old")
	case deadletter.Left:
		line += t.red("  left")
	}
	if l.Malformed {
		line += t.red("  can't be read yet")
	}
	if l.Attempts > 0 {
		line += t.dim(fmt.Sprintf("  %d attempts", l.Attempts))
	}
	if l.Reason != "" {
		line += t.dim("  " + l.Reason)
	}
	return line
}

func count(n int, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun, noun+"s")) }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
