package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/keyring"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/seal"
)

type keysCommand struct {
	List   keysList   `cmd:"" help:"List the keys by their IDs. Their values are never shown."`
	Rotate keysRotate `cmd:"" aliases:"add" help:"Add a fresh random key and make it primary."`
	Remove keysRemove `cmd:"" help:"Remove an old key that nothing is sealed with any more."`
}

func (c *keysCommand) Help() string {
	return `The key ring seals the tokens in the table. Its primary key seals, all of its keys open. After a rotation the old key stays:
it is needed until every token it has sealed was sealed anew, which each refresh does. Of a stack, whose functions read the ring
when they start, that is an hour after a sam deploy with another Revision, or once each device has spoken where RefreshPolicy
is on-use.

Examples:

    restock keys rotate --stack restock
    restock keys list --stack restock --count
    restock keys remove k1 --stack restock`
}

// ring is a key ring, of a stack or beside a data file.
type ring struct {
	read   func(context.Context) (*seal.Ring, time.Time, error)
	change func(context.Context, func([]byte) ([]byte, error)) error
	usage  func(context.Context) (map[string]int, error)
}

func (p *place) ring(ctx context.Context, t *terminal) (*ring, error) {
	onStack, err := p.deployed()
	if err != nil {
		return nil, err
	}
	if onStack {
		stack, err := p.open(ctx, t)
		if err != nil {
			return nil, err
		}
		secret, err := keyring.Of(stack)
		if err != nil {
			return nil, err
		}
		usage := func(ctx context.Context) (map[string]int, error) { return keyring.Usage(ctx, stack) }
		return &ring{secret.Ring, secret.Change, usage}, nil
	}
	data, err := p.data()
	if err != nil {
		return nil, err
	}
	path := local.RingPath(data)
	return &ring{
		read: func(context.Context) (*seal.Ring, time.Time, error) {
			r, err := seal.ReadFile(path)
			return r, time.Time{}, err
		},
		change: func(_ context.Context, change func([]byte) ([]byte, error)) error {
			return seal.ChangeFile(path, change)
		},
		usage: func(ctx context.Context) (map[string]int, error) { return local.KeyUsage(ctx, data) },
	}, nil
}

// shownKey is a key as it is shown.
type shownKey struct {
	ID      string `json:"id"`
	Primary bool   `json:"primary"`
	Records *int   `json:"records,omitempty"` // sealed with it; only where they were counted
}

type keysList struct {
	place
	Count bool `help:"Count the records that each key has sealed. Reads the whole table; a restock up must be stopped."`
	JSON  bool `name:"json" help:"Print JSON."`
}

func (c *keysList) Run(ctx context.Context, t *terminal) error {
	r, err := c.ring(ctx, t)
	if err != nil {
		return err
	}
	keys, changed, err := r.read(ctx)
	if err != nil {
		return err
	}
	var used map[string]int
	if c.Count {
		if used, err = r.count(ctx, t); err != nil {
			return err
		}
	}
	all := []shownKey{}
	for _, id := range keys.IDs() {
		k := shownKey{ID: id, Primary: id == keys.Primary()}
		if n := used[id]; c.Count {
			k.Records = &n
		}
		all = append(all, k)
	}
	if c.JSON {
		return t.json(map[string]any{"keys": all, "changed_at": changed.UTC()})
	}
	for _, k := range all {
		line := fmt.Sprintf("%-10s", k.ID)
		if k.Primary {
			line += "  " + t.bold("primary")
		}
		if k.Records != nil {
			line += fmt.Sprintf("  %s", count(*k.Records, "record"))
		}
		t.printf("%s", line)
	}
	if !changed.IsZero() {
		t.printf("%s", t.dim("changed at "+clock(changed)))
	}
	return nil
}

func (r *ring) count(ctx context.Context, t *terminal) (map[string]int, error) {
	t.progress("counting what is sealed")
	defer t.progress("")
	return r.usage(ctx)
}

type keysRotate struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *keysRotate) Run(ctx context.Context, t *terminal) error {
	r, err := c.ring(ctx, t)
	if err != nil {
		return err
	}
	var id, before string
	err = r.change(ctx, func(text []byte) (next []byte, err error) {
		old, err := seal.Parse(text)
		if err != nil {
			return nil, err
		}
		before = old.Primary()
		next, id, err = seal.Add(text)
		return next, err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(map[string]string{"primary": id, "before": before})
	}
	t.printf("%s %s is primary now; %s stays, for what it has sealed.", t.mark(true), t.bold(id), before)
	if c.Stack == "" {
		t.printf("A running restock up seals with it once it is started again.")
		return nil
	}
	t.printf("Functions that run already go on sealing with %s until they start again: make sam-build, then sam deploy with another Revision, such as %s", before, id)
	t.printf("An hour later, or once each device has spoken where RefreshPolicy is on-use, nothing is left of it: %s keys list --count --stack %s", self(), c.Stack)
	return nil
}

type keysRemove struct {
	ID string `arg:"" help:"The key, as restock keys list names it."`
	place
	Yes  bool `short:"y" help:"Don't ask."`
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *keysRemove) Help() string {
	return `A key is removed only when no record holds what it has sealed, and of a stack only a day after its ring was last changed:
a function that runs since before then would go on sealing with it. The secret's version before the removal stays readable under
AWSPREVIOUS until the next change.`
}

// rest is how long a ring of a stack must have rested before a key is removed: what runs
// on Lambda is started anew within hours, though nobody says within how many.
const rest = 24 * time.Hour

func (c *keysRemove) Run(ctx context.Context, t *terminal) error {
	if !c.Yes && !t.canAsk() {
		return usageError{"nobody can be asked here: say --yes"}
	}
	r, err := c.ring(ctx, t)
	if err != nil {
		return err
	}
	keys, changed, err := r.read(ctx)
	switch {
	case err != nil:
		return err
	case !keys.Has(c.ID):
		return fmt.Errorf("the key ring has no key %.32q; see: restock keys list", c.ID)
	case c.ID == keys.Primary():
		return fmt.Errorf("key %s is primary; rotate first", c.ID)
	}
	if age := time.Since(changed); !changed.IsZero() && age < rest {
		return fmt.Errorf("the key ring was changed %s ago: wait for %s, a function that runs since before may seal with the old key",
			cmp.Or(age.Round(time.Minute), time.Minute), rest-age.Round(time.Minute))
	}
	used, err := r.count(ctx, t)
	if err != nil {
		return err
	}
	if n := used[c.ID]; n > 0 {
		return fmt.Errorf("%s holds what key %s has sealed, and could not be opened without it: wait until all are refreshed", count(n, "record"), c.ID)
	}
	if err := t.confirm(ctx, c.Yes, fmt.Sprintf("No record holds anything sealed with %s. Remove it?", c.ID)); err != nil {
		return err
	}
	err = r.change(ctx, func(text []byte) ([]byte, error) { return seal.Remove(text, c.ID) })
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(map[string]string{"removed": c.ID})
	}
	t.printf("%s %s is removed.", t.mark(true), c.ID)
	return nil
}
