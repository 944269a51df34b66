package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
)

type devicesFree struct {
	Thing string `arg:"" help:"The device, as in ACME-VAC-1::SN0001."`
	place
	Anyway bool `help:"Free it here although Amazon can't be told."`
	Yes    bool `short:"y" help:"Don't ask."`
	JSON   bool `name:"json" help:"Print JSON."`
}

func (c *devicesFree) Help() string {
	return `A device stays with the customer who has paired it, until that customer or the device gives it up. Where neither can, this
ends the registration: Amazon takes the device off the customer's account, which ends their subscriptions of it, its tokens
are forgotten, its device key opens nothing any more, and whoever signs in next gets the device, which is told.

Where Amazon can't be told, nothing is changed. --anyway frees the device here all the same; then the former customer's
account may show it until they remove it there.

Exit code: 0 if the device is free now, 1 if not, 2 for a wrong command line.`
}

func (c *devicesFree) Run(ctx context.Context, t *terminal) error {
	if _, err := thing.Parse(c.Thing); err != nil {
		return usageError{err.Error()}
	}
	onStack, err := c.deployed()
	if err != nil {
		return err
	}
	if err := t.confirm(ctx, c.Yes, "Take "+c.Thing+" from whoever holds it?"); err != nil {
		return err
	}
	o, err := c.free(ctx, t, onStack)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(o)
	}
	c.print(t, &o)
	return nil
}

func (c *devicesFree) print(t *terminal, o *ownership.Outcome) {
	switch {
	case !o.Freed && o.Since.IsZero():
		t.printf("%s %s has never been paired: it is free.", t.mark(true), o.Thing)
		return
	case !o.Freed:
		t.printf("%s %s was free before: %s since %s.", t.mark(true), o.Thing, o.Was, clock(o.Since))
		return
	}
	t.printf("%s %s is free; it was %s since %s.", t.mark(true), o.Thing, o.Was, clock(o.Since))
	if o.HadKey {
		t.printf("Its device key opens nothing any more.")
	}
	if o.Grant {
		t.printf("Its tokens are forgotten.")
	}
	switch o.Amazon {
	case ownership.Deregistered:
		t.printf("Amazon has taken it off the former customer's account.")
	case ownership.Ended:
		t.printf("Amazon was asked to take it off the former customer's account, and takes no call for it any more: that has ended.")
	case ownership.NotTold:
		t.printf("Amazon was not told: the former customer's account may show the device until they remove it there.")
	}
	if o.Trouble != "" {
		t.progress("")
		fmt.Fprintf(t.err, "warning: Amazon could not be told: %s\n", o.Trouble)
	}
}

func (c *devicesFree) free(ctx context.Context, t *terminal, onStack bool) (o ownership.Outcome, err error) {
	if !onStack {
		data, err := c.data()
		if err != nil {
			return o, err
		}
		o, err := local.AskFree(ctx, data, c.Thing, c.Anyway)
		return o, advise(err)
	}
	stack, err := c.open(ctx, t)
	if err != nil {
		return o, err
	}
	records, err := recordsOf(stack)
	if err != nil {
		return o, err
	}
	owner := &ownership.Owner{
		Store:  records,
		Amazon: func(ctx context.Context, r *store.Registration) error { return tellAmazon(ctx, stack, r) },
		Anyway: c.Anyway, Now: time.Now,
	}
	o, r, err := owner.Free(ctx, c.Thing)
	if err != nil || !o.Freed {
		return o, advise(err)
	}
	if err := cloud.PublisherOf(stack.AWS()).Publish(ctx, c.Thing, message.EventRegistration, r.State()); err != nil {
		t.progress("")
		fmt.Fprintf(t.err, "warning: %s is free, but could not be told so, and learns it when it next asks: %v\n", c.Thing, deployed.Explain(err))
	}
	return o, nil
}

// tellAmazon does with an operator's rights what the functions do when a device is given up.
func tellAmazon(ctx context.Context, stack *deployed.Stack, r *store.Registration) error {
	a, err := asFunctions(ctx, stack)
	if err != nil {
		return err
	}
	return explained(deployed.Explain(ownership.AtAmazon(ctx, keeperOf(a), &drs.Client{BaseURL: a.Config.DRSURL}, r)))
}

// advise says how to free a device that Amazon can't be told of.
func advise(err error) error {
	var amazon *ownership.AmazonError
	var refused *local.RefusedError
	if errors.As(err, &amazon) || errors.As(err, &refused) && refused.Code == web.CodeUnavailable {
		return fmt.Errorf("%w. Try again later, or give --anyway to free it here alone", err)
	}
	return deployed.Explain(err)
}
