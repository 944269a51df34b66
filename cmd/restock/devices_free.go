package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/thing"
)

type devicesFree struct {
	Thing string `arg:"" help:"The device, as in ACME-VAC-1::SN0001."`
	place
	Yes  bool `short:"y" help:"Don't ask."`
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *devicesFree) Help() string {
	return `A device stays with the customer who has paired it, until that customer or the device gives it up. Where neither can, this
ends the registration: its tokens are forgotten, its device key opens nothing any more, and whoever signs in next gets the
device, which is told. Amazon is not told: the former customer's account may show the device until they remove it there.

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
	switch {
	case !o.Freed && o.Since.IsZero():
		t.printf("%s %s has never been paired: it is free.", t.mark(true), o.Thing)
	case !o.Freed:
		t.printf("%s %s was free before: %s since %s.", t.mark(true), o.Thing, o.Was, clock(o.Since))
	default:
		t.printf("%s %s is free; it was %s since %s.", t.mark(true), o.Thing, o.Was, clock(o.Since))
		if o.HadKey {
			t.printf("Its device key opens nothing any more.")
		}
		if o.Grant {
			t.printf("Its tokens are forgotten. Amazon was not told: the former customer's account may show the device until they remove it there.")
		}
	}
	return nil
}

func (c *devicesFree) free(ctx context.Context, t *terminal, onStack bool) (o ownership.Outcome, err error) {
	if !onStack {
		data, err := c.data()
		if err != nil {
			return o, err
		}
		return local.AskFree(ctx, data, c.Thing)
	}
	stack, err := c.open(ctx, t)
	if err != nil {
		return o, err
	}
	table, err := stack.Resource("DeviceTable")
	if err != nil {
		return o, err
	}
	o, r, err := ownership.Free(ctx, &dynamo.Store{Client: dynamodb.NewFromConfig(stack.AWS()), Table: table}, c.Thing, time.Now())
	if err != nil || !o.Freed {
		return o, deployed.Explain(err)
	}
	if err := cloud.PublisherOf(stack.AWS()).Publish(ctx, c.Thing, message.EventRegistration, r.State()); err != nil {
		t.progress("")
		fmt.Fprintf(t.err, "warning: %s is free, but could not be told so, and learns it when it next asks: %v\n", c.Thing, deployed.Explain(err))
	}
	return o, nil
}
