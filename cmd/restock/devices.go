package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/thing"
)

// running finds a running restock up by its data file.
type running struct {
	Data string `placeholder:"FILE" env:"RESTOCK_DATA" help:"Data file of the restock up to ask. Default: in the user's data directory."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (r *running) data() (string, error) {
	if r.Data != "" {
		return r.Data, nil
	}
	return local.DefaultData()
}

type devicesCommand struct {
	List devicesList `cmd:"" help:"List the devices that are or were paired, of a running restock up."`
	Show devicesShow `cmd:"" help:"Show one device."`
	Free devicesFree `cmd:"" help:"Free a device from whoever holds it: a squatter, or a customer who has sold it."`
}

func (c *devicesCommand) Help() string {
	return `Examples:

    restock devices list
    restock devices show ACME-VAC-1::SN0001 --json
    restock devices show ACME-VAC-1::SN0001 --stack restock
    restock devices free ACME-VAC-1::SN0001 --stack restock`
}

type devicesList struct{ running }

func (c *devicesList) Run(ctx context.Context, t *terminal) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	all, err := local.AskDevices(ctx, data, "")
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(all)
	}
	if len(all) == 0 {
		t.printf("No device is paired yet.")
		return nil
	}
	width := len("THING")
	for _, d := range all {
		width = max(width, len(d.Thing))
	}
	t.printf("%s", t.dim(fmt.Sprintf("%-*s  %-12s  %-9s  %s", width, "THING", "STATUS", "CONNECTED", "TOKEN")))
	for _, d := range all {
		t.printf("%-*s  %-12s  %-9s  %s", width, d.Thing, d.Status, yes(d.Connected != nil && *d.Connected), tokenState(&d))
	}
	return nil
}

func yes(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

func tokenState(d *local.Device) string {
	switch {
	case d.Status != string(store.Active):
		return why(d.Reason)
	case d.Failures > 0:
		return fmt.Sprintf("refresh failed %d times, next attempt %s", d.Failures, clock(d.NextAttempt))
	case !d.Renewable:
		return "not renewable, ends " + clock(d.TokenExpiry)
	}
	return "good until " + clock(d.TokenExpiry)
}

// clock writes a time of the stack, whose clock may not be this machine's.
func clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04 UTC")
}

type devicesShow struct {
	Thing string `arg:"" help:"The device, as in ACME-VAC-1::SN0001."`
	place
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *devicesShow) Run(ctx context.Context, t *terminal) error {
	if _, err := thing.Parse(c.Thing); err != nil {
		return usageError{err.Error()}
	}
	onStack, err := c.deployed()
	if err != nil {
		return err
	}
	find := c.running
	if onStack {
		find = c.stored
	}
	d, err := find(ctx, t)
	if err != nil {
		return err
	}
	return c.print(t, d)
}

// running asks a restock up.
func (c *devicesShow) running(ctx context.Context, _ *terminal) (*local.Device, error) {
	data, err := c.data()
	if err != nil {
		return nil, err
	}
	found, err := local.AskDevices(ctx, data, c.Thing)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no device %s has ever been paired; see: restock devices list", c.Thing)
	}
	return &found[0], nil
}

// stored reads the table of a stack.
func (c *devicesShow) stored(ctx context.Context, t *terminal) (*local.Device, error) {
	stack, err := c.open(ctx, t)
	if err != nil {
		return nil, err
	}
	records, err := recordsOf(stack)
	if err != nil {
		return nil, err
	}
	r := &store.Registration{Thing: c.Thing}
	switch err := records.Get(ctx, r); {
	case errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("no device %s has ever been paired with the stack %s", c.Thing, c.Stack)
	case err != nil:
		return nil, deployed.Explain(err)
	}
	d := local.DeviceOf(r)
	return &d, nil
}

// recordsOf returns the records of a stack, with the rights of an operator.
func recordsOf(stack *deployed.Stack) (*dynamo.Store, error) {
	table, err := stack.Resource("DeviceTable")
	if err != nil {
		return nil, err
	}
	return &dynamo.Store{Client: dynamodb.NewFromConfig(stack.AWS()), Table: table}, nil
}

func (c *devicesShow) print(t *terminal, d *local.Device) error {
	if c.JSON {
		return t.json(d)
	}
	line := func(name, value string) { t.printf("%s %s", t.dim(fmt.Sprintf("%-12s", name)), value) }
	line("thing", t.bold(d.Thing))
	line("model", d.DeviceModel)
	line("serial", d.Serial)
	line("status", d.Status)
	if d.Reason != "" {
		line("reason", why(d.Reason))
	}
	line("since", clock(d.At))
	line("customer", cmp.Or(d.CustomerID, "-"))
	line("token", tokenState(d))
	line("refresh due", clock(d.RefreshDue))
	line("last active", clock(d.LastActive))
	line("device key", map[bool]string{true: "given out", false: "none"}[d.HasKey])
	if d.Connected != nil {
		line("connected", yes(*d.Connected))
	}
	for _, s := range d.Slots {
		line("slot", s.Slot+map[bool]string{true: ", subscribed", false: ", not subscribed"}[s.Subscribed])
	}
	return nil
}
