package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/store"
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
	List devicesList `cmd:"" help:"List the devices that are or were paired."`
	Show devicesShow `cmd:"" help:"Show one device."`
	Free devicesFree `cmd:"" help:"Free a device from whoever holds it: a squatter, or a customer who has sold it."`
}

func (c *devicesCommand) Help() string {
	return `Examples:

    restock devices list
    restock devices show ACME-VAC-1::SN0001 --json
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
		connected := "no"
		if d.Connected {
			connected = "yes"
		}
		t.printf("%-*s  %-12s  %-9s  %s", width, d.Thing, d.Status, connected, tokenState(&d))
	}
	return nil
}

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
	running
}

func (c *devicesShow) Run(ctx context.Context, t *terminal) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	found, err := local.AskDevices(ctx, data, c.Thing)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no device %s has ever been paired; see: restock devices list", c.Thing)
	}
	d := found[0]
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
	line("token", tokenState(&d))
	line("refresh due", clock(d.RefreshDue))
	line("device key", map[bool]string{true: "given out", false: "none"}[d.HasKey])
	line("connected", map[bool]string{true: "yes", false: "no"}[d.Connected])
	for _, s := range d.Slots {
		line("slot", s.Slot+map[bool]string{true: ", subscribed", false: ", not subscribed"}[s.Subscribed])
	}
	return nil
}
