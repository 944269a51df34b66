package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/thing"
)

type pressCommand struct {
	Thing   string        `required:"" placeholder:"MODEL::SERIAL" help:"The device: its model and serial, as in ACME-VAC-1::SN0001."`
	Slot    string        `required:"" placeholder:"NAME" help:"What to order: the name of one of its slots."`
	ID      string        `placeholder:"ID" help:"ID of this press; the same again gives the first result and no second order. Default: a random one."`
	MQTT    string        `name:"mqtt" env:"RESTOCK_MQTT" default:"localhost:1883" placeholder:"ADDRESS" help:"Where the broker is."`
	Timeout time.Duration `default:"15s" help:"How long to wait for the result."`
	JSON    bool          `name:"json" help:"Print the result as JSON."`
}

// deviceKeyVariable holds a device key for the commands that act for a device. It is
// never a flag: others on this machine can read command lines.
const deviceKeyVariable = "RESTOCK_DEVICE_KEY"

func (c *pressCommand) Help() string {
	return `The press goes over MQTT as a device sends it. A broker that doesn't trust this machine wants the
device's key, in the variable ` + deviceKeyVariable + `.

Exit code: 0 if there is an order now (ordered, test_ordered, in_progress), 1 if not, 2 for a wrong command line.

Examples:

    restock press --thing ACME-VAC-1::SN0001 --slot filter
    restock press --thing ACME-VAC-1::SN0001 --slot filter --id monday --json`
}

func (c *pressCommand) Run(ctx context.Context, t *terminal) error {
	broker, err := brokerURL("--mqtt", c.MQTT)
	if err != nil {
		return err
	}
	if _, err := thing.Parse(c.Thing); err != nil {
		return usageError{"--thing: " + err.Error()}
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if !validID(c.ID) { // the result would not come under an ID that can't be
		return usageError{"--id must be 1 to 128 printable ASCII characters"}
	}
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	t.progress("pressing " + c.Slot)
	r, err := c.press(limited, broker)
	t.progress("")
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no result within %s; the press may still be handled, ask again with --id %s", c.Timeout, c.ID)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		err = t.json(r)
	} else {
		t.printf("%s", resultLine(t, r))
	}
	if err == nil && !good(r.Outcome) {
		err = quietError{}
	}
	return err
}

// press sends the press and returns its result, the final one unless ctx ends before.
func (c *pressCommand) press(ctx context.Context, broker string) (message.Result, error) {
	l, err := connect(ctx, broker, c.Thing, os.Getenv(deviceKeyVariable), false)
	if err != nil {
		return message.Result{}, err
	}
	defer l.close()
	var latest message.Result
	for {
		select {
		case h := <-l.heard:
			switch h.event {
			case linkUp: // also when the connection was lost: the ID makes a second sending harmless
				if err := l.send(message.ActionReplenish, message.Replenish{Slot: c.Slot, ID: c.ID}); err != nil {
					return latest, err
				}
			case message.EventResult:
				var r message.Result
				if json.Unmarshal(h.payload, &r) != nil || r.ID != c.ID {
					continue
				}
				if latest = r; r.Outcome.Final() {
					return r, nil
				}
			}
		case <-ctx.Done():
			if latest.Outcome != "" { // a promise to try on is an answer, too
				return latest, nil
			}
			return latest, ctx.Err()
		}
	}
}

func validID(id string) bool {
	return len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' })
}
