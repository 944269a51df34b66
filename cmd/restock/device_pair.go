package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/pairing"
)

// pair gets a customer, however often a link expires unused.
func (d *device) pair(ctx context.Context) error {
	for {
		if d.key.Pending == nil {
			started, err := d.api.startPairing(ctx, d.Model, d.Serial, d.key.Key)
			if is(err, "unauthorized") && d.key.Key != "" { // the key has died since
				d.key.Key = ""
				continue
			}
			if err != nil {
				return err
			}
			// Kept before anything can be lost: the key wakes up when the customer is done.
			d.key.Pending = &pendingPairing{started.ID, started.DeviceKey, started.URL, started.ExpiresAt}
			if err := d.key.save(); err != nil {
				return err
			}
		}
		if err := d.awaitCustomer(ctx); err != nil {
			return err
		}
		if d.key.Pending == nil && d.key.Key != "" {
			return nil
		}
	}
}

// errRefused ends a device whose customer must first give it up.
var errRefused = errors.New("the pairing was refused: the device belongs to another customer, " +
	"who must deregister it, or it must be paired with its present key")

// awaitCustomer waits for the customer of the pending pairing. When it returns nil,
// either its key is the device's now, or the pairing has expired; none is pending.
func (d *device) awaitCustomer(ctx context.Context) error {
	p := d.key.Pending
	status, err := d.api.pairingStatus(ctx, p.ID, p.Key)
	if err == nil && status == "waiting" {
		d.invite(p)
		status, err = d.poll(ctx, p)
	}
	if err != nil && !is(err, "unauthorized") { // a key that is not known: its pairing is gone
		return err
	}
	d.key.Pending = nil
	if status == "paired" {
		d.key.Key = p.Key
	}
	if err := d.key.save(); err != nil {
		return err
	}
	if status == "refused" {
		return errRefused
	}
	return nil
}

// invite shows the link.
func (d *device) invite(p *pendingPairing) {
	if d.json {
		_ = d.terminal.json(map[string]any{"event": "pairing", "data": map[string]any{"url": p.URL, "expires_at": p.ExpiresAt}}) // a line of output
		return
	}
	how := "scan the code with a phone or open the link"
	if onThisMachine(p.URL) {
		how = "open the link on this machine; a phone that scans the code does not reach it"
	}
	d.printf("To pair this device, %s:\n", how)
	d.printf("%s", d.qr(p.URL))
	d.printf("  %s\n", d.terminal.link(p.URL))
	d.progress("waiting for the customer")
}

// onThisMachine reports whether a link leads to the machine that it is opened on.
func onThisMachine(link string) bool {
	u, err := url.Parse(link)
	return err == nil && pairing.IsLoopback(u.Hostname())
}

// pollEvery is how often a waiting device asks; the API allows more.
const pollEvery = time.Second

func (d *device) poll(ctx context.Context, p *pendingPairing) (status string, err error) {
	defer d.progress("")
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	typed := d.lines
	if !isTerminal(d.in) { // a script's lines are kept for later; a person's impatience is not
		typed = nil
	}
	for {
		select {
		case <-d.over:
			return "", errors.New("switched off before the customer has finished; the link stays good for its time")
		case <-typed:
			continue
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		status, err = d.api.pairingStatus(ctx, p.ID, p.Key)
		var away *unreachableError
		switch {
		case errors.As(err, &away):
			d.progress("waiting for Restock to come back")
		case err != nil:
			return "", err
		case status != "waiting":
			return status, nil
		default:
			d.progress(fmt.Sprintf("waiting for the customer, the link is good until %s", p.ExpiresAt.Local().Format("15:04")))
		}
	}
}
