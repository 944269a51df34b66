package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

// say prints a line of a device's life: as JSON the event and its data.
func (d *device) say(event string, data any, format string, args ...any) {
	if d.json {
		_ = d.terminal.json(map[string]any{"event": event, "data": data}) // a line of output
		return
	}
	d.printf("%s", fmt.Sprintf(format, args...))
}

// ready says what the device can do.
func (d *device) ready() {
	d.say("ready", d.reg, "%s %s is paired. Slots: %s", d.mark(true), d.bold(d.Name()), d.slots())
	if !d.json {
		d.printf("%s", d.dim(fmt.Sprintf("Enter orders %s, a slot's name orders that one, Ctrl-D switches off.", d.chosen())))
	}
}

func (d *device) slots() string {
	if len(d.reg.Slots) == 0 {
		return "none known"
	}
	var all []string
	for _, s := range d.reg.Slots {
		name := s.Slot
		if !s.Subscribed {
			name += " (not subscribed)"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// chosen is the slot that Enter orders: the one asked for, else the first that is
// subscribed, else the first.
func (d *device) chosen() string {
	if d.slot != "" {
		return d.slot
	}
	for _, s := range d.reg.Slots {
		if s.Subscribed {
			return s.Slot
		}
	}
	if len(d.reg.Slots) > 0 {
		return d.reg.Slots[0].Slot
	}
	return "filter" // what a device sends that has never heard of its slots
}

// press presses the button of a slot, that of Enter for an empty line.
func (d *device) press(line string) error {
	slot := strings.TrimSpace(line)
	if slot == "" {
		slot = d.chosen()
	}
	id := rand.Text()
	d.open[id] = slot
	p := message.Replenish{Slot: slot, ID: id}
	if d.json {
		_ = d.terminal.json(map[string]any{"event": "pressed", "data": p}) // a line of output
	}
	d.progress("pressed " + slot)
	return d.link.send(message.ActionReplenish, p)
}

// heard prints what came, and remembers what matters of it. unknown says that this
// device's key is not taken any more, so that it has to pair anew.
func (d *device) heard(ctx context.Context, h heard) (unknown bool) {
	at := d.dim(time.Now().Format("15:04:05"))
	switch h.event {
	case linkDown:
		d.up = false
		d.say(h.event, nil, "%s connection lost, trying again", at)
		return d.forgotten(ctx)
	case linkUp:
		d.up = true
		d.repeat()
	case message.EventResult:
		d.result(at, h.payload)
	case message.EventRegistration:
		d.registration(at, h.payload)
	case message.EventOrder:
		var o message.Order
		if json.Unmarshal(h.payload, &o) == nil {
			line := fmt.Sprintf("%s order of %s: %s", at, o.Slot, d.bold(o.Status))
			if day, _, ok := strings.Cut(o.ExpectedDelivery, "T"); ok {
				line += ", delivery expected on " + day
			}
			d.say(h.event, o, "%s", line)
		}
	case message.EventSubscription:
		var s message.Subscription
		if json.Unmarshal(h.payload, &s) == nil {
			d.reg.Slots = s.Slots
			d.say(h.event, s, "%s subscriptions: %s", at, d.slots())
		}
	}
	return false
}

// forgotten asks after a lost connection whether the key is still good: a newer pairing
// of somebody else ends it, and the broker can't say so.
func (d *device) forgotten(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := d.api.registration(ctx, d.key.Key)
	if !is(err, "unauthorized") {
		return false
	}
	d.say("key", nil, "This device's key is not known any more; it pairs anew.")
	d.key.Key = ""
	return true
}

// repeat sends presses again that wait for a result after the connection was lost:
// their IDs make that harmless.
func (d *device) repeat() {
	for id, slot := range d.open {
		_ = d.link.send(message.ActionReplenish, message.Replenish{Slot: slot, ID: id}) // always marshals
	}
}

// result prints the result of a press. That of a press of this process is printed once,
// however often it comes; another is of an earlier process, or of restock press.
func (d *device) result(at string, payload []byte) {
	var r message.Result
	if json.Unmarshal(payload, &r) != nil || d.done[r.ID] {
		return
	}
	_, own := d.open[r.ID]
	if own && r.Outcome.Final() {
		delete(d.open, r.ID)
		d.done[r.ID] = true
	}
	if len(d.open) == 0 {
		d.progress("")
	}
	line := resultLine(d.terminal, r)
	if !own {
		line += d.dim("  for a press made earlier or elsewhere")
	}
	d.say(message.EventResult, r, "%s %s", at, line)
}

func (d *device) registration(at string, payload []byte) {
	var r message.Registration
	if json.Unmarshal(payload, &r) != nil {
		return
	}
	d.reg = r
	if r.Status == string(store.Active) {
		d.say(message.EventRegistration, r, "%s paired. Slots: %s", at, d.slots())
		return
	}
	d.say(message.EventRegistration, r, "%s %s %s: %s. Press Enter to pair again.", at, d.mark(false), d.bold(r.Status), why(r.Reason))
}
