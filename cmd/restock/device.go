package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

type deviceCommand struct {
	Model  string `arg:"" help:"Device model, as in ACME-VAC-1."`
	Serial string `arg:"" help:"Serial, as in SN0001."`
	Slot   string `placeholder:"NAME" help:"What Enter orders. Default: the first slot that the customer has subscribed to."`
	HTTP   string `name:"http" env:"RESTOCK_HTTP" default:"localhost:8080" placeholder:"ADDRESS" help:"Where Restock takes HTTP: an address or a URL."`
	MQTT   string `name:"mqtt" env:"RESTOCK_MQTT" default:"localhost:1883" placeholder:"ADDRESS" help:"Where the broker is."`
	Keys   string `type:"path" placeholder:"DIR" help:"Where devices keep their keys. Default: beside the data file."`
	JSON   bool   `name:"json" help:"Print what happens as JSON, one object a line."`
}

func (c *deviceCommand) Help() string {
	return `The device starts its own pairing, draws the link as a QR code, and waits for its customer to say yes in a browser.
Then every Enter presses its button, and results and orders are printed as they arrive. The name of a slot, followed by
Enter, orders that slot. Ctrl-D, or the end of piped input, switches the device off: one that is paired once the results
are there, one that is not at once. It remembers its key and need not pair again, and the link stays good for its time.

A result that could not be told before comes at the next start, and says so. With --json a press is printed as "pressed",
with the ID that its results bear.

Examples:

    restock device ACME-VAC-1 SN0001
    restock device ACME-VAC-1 SN0001 --slot main-brush
    printf 'filter\n' | restock device ACME-VAC-1 SN0001 --json`
}

// device is a device in a terminal.
type device struct {
	*terminal
	thing.Device
	api    *api
	broker string
	slot   string // asked for, or empty
	json   bool
	key    *keyFile
	lines  chan string   // what was typed; closed at the end of input
	over   chan struct{} // closed at the end of input, once all lines are taken

	link  *link
	up    bool // connected, and everything sent to the thing is heard
	reg   message.Registration
	open  map[string]string // ID of a press that waits for its result → its slot
	done  map[string]bool   // ID of a press of this process that has its result
	ended bool              // input has ended
}

func (c *deviceCommand) Run(ctx context.Context, t *terminal) error {
	dev, err := thing.New(c.Model, c.Serial)
	if err != nil {
		return usageError{err.Error()}
	}
	base, err := baseURL("--http", c.HTTP)
	if err != nil {
		return err
	}
	broker, err := brokerURL("--mqtt", c.MQTT)
	if err != nil {
		return err
	}
	if c.Keys == "" {
		if c.Keys, err = keyDirectory(); err != nil {
			return err
		}
	}
	key, err := loadKey(c.Keys, base, dev)
	if err != nil {
		return err
	}
	d := &device{
		terminal: t, Device: dev, api: newAPI(base), broker: broker, slot: c.Slot, json: c.JSON,
		key: key, lines: make(chan string), over: make(chan struct{}), open: map[string]string{}, done: map[string]bool{},
	}
	go d.read(ctx)
	err = d.live(ctx)
	d.progress("")
	if ctx.Err() != nil { // switched off by hand
		return nil
	}
	return err
}

// read passes on what is typed.
func (d *device) read(ctx context.Context) {
	defer close(d.over)
	defer close(d.lines)
	in := bufio.NewScanner(d.in)
	for in.Scan() {
		select {
		case d.lines <- in.Text():
		case <-ctx.Done():
			return
		}
	}
}

// live pairs if need be, connects, and does what is asked until input or ctx ends.
func (d *device) live(ctx context.Context) error {
	if err := d.wakeUp(ctx); err != nil {
		return err
	}
	for {
		again, err := d.session(ctx)
		if err != nil || !again {
			return err
		}
		if err := d.pair(ctx); err != nil {
			return err
		}
	}
}

// wakeUp finds out how things stand, and pairs where they don't stand well.
func (d *device) wakeUp(ctx context.Context) error {
	if d.key.Pending != nil {
		if err := d.awaitCustomer(ctx); err != nil {
			return err
		}
	}
	if d.key.Key == "" {
		return d.pair(ctx)
	}
	reg, err := d.api.registration(ctx, d.key.Key)
	switch {
	case is(err, "unauthorized"):
		d.say("key", nil, "This device's key is not known any more; it pairs anew.")
		d.key.Key = ""
		return d.pair(ctx)
	case err != nil:
		return err
	}
	d.reg = reg
	if reg.Status != string(store.Active) {
		d.say("registration", reg, "This device is not paired any more: %s.", cmp.Or(why(reg.Reason), reg.Status))
		return d.pair(ctx)
	}
	return nil
}

// session is a connection from the time it is paired until it has to pair again, which
// the first result says, or to the end of input.
func (d *device) session(ctx context.Context) (again bool, err error) {
	reg, err := d.api.registration(ctx, d.key.Key)
	if err != nil {
		return false, err
	}
	d.reg = reg
	if d.link, err = connect(ctx, d.broker, d.Name(), d.key.Key, true); err != nil {
		return false, err
	}
	defer d.link.close()
	d.up = false
	for first := true; ; {
		var lines chan string // nil: what is typed has to wait
		var tooLong <-chan time.Time
		switch {
		case d.ended:
			if len(d.open) == 0 {
				return false, nil
			}
			tooLong = time.After(patience) // for the next message
		case d.up:
			lines = d.lines
		}
		select {
		case h := <-d.link.heard:
			if unknown := d.heard(ctx, h); unknown {
				return true, nil
			}
			if first && d.up {
				first = false
				d.ready()
			}
		case line, more := <-lines:
			switch {
			case !more: // stay for the results that are still to come
				d.ended = true
			case d.reg.Status != string(store.Active):
				return true, nil
			default:
				err = d.press(line)
			}
			if err != nil {
				return false, err
			}
		case <-tooLong:
			return false, fmt.Errorf("no result within %s for %d presses", patience, len(d.open))
		case <-ctx.Done():
			return false, nil
		}
	}
}

// patience is how long a device stays for results after its input has ended.
const patience = 30 * time.Second
