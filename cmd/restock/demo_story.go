package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

// The devices of the story: one is paired in a browser, one pairs itself.
var (
	webDevice  = thing.Device{Model: "ACME-VAC-1", Serial: "SN0001"}
	ownDevice  = thing.Device{Model: "ACME-VAC-1", Serial: "SN0002"}
	pressSlot  = "filter"
	secondSlot = "main-brush"
)

// tell plays the chapters. A step that comes out otherwise is told and the story goes
// on; an error ends it.
func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"1  Restock starts", s.starts},
		{"2  A customer pairs a device in the browser", s.pairsInBrowser},
		{"3  A device without a browser pairs itself", s.pairsItself},
		{"4  The button is pressed", s.presses},
		{"5  Tokens stay fresh", s.staysFresh},
		{"6  kill -9", s.isKilled},
		{"7  The customer withdraws consent", s.losesConsent},
	} {
		s.begin(chapter.title)
		if err := chapter.play(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) data() string { return filepath.Join(s.dir, "restock.db") }

func (s *story) starts(ctx context.Context) (err error) {
	s.child, err = startChild(ctx, "--data", s.data(), "--http", "localhost:0", "--mqtt", "localhost:0", "--sandbox", "localhost:0")
	if err != nil {
		return err
	}
	a := s.child.Addresses
	s.api, s.box = newAPI(a.HTTP), &control{newAPI(a.Sandbox)}
	s.check(true, "ready", "%d ms after its process began; %s, mqtt %s, sandbox %s", s.child.took.Milliseconds(), a.HTTP, a.MQTT, a.Sandbox)
	p, err := s.browser.open(ctx, a.HTTP+"/")
	if err != nil {
		return err
	}
	s.check(p.status == 200 && len(p.forms) == 1, "the pairing page asks for a device", "")
	return nil
}

func (s *story) pairsInBrowser(ctx context.Context) error {
	start := s.child.Addresses.HTTP + "/?" + url.Values{"device_model": {webDevice.Model}, "serial": {webDevice.Serial}}.Encode()
	p, err := s.browser.open(ctx, start)
	if err != nil {
		return err
	}
	s.check(p.status == 200 && p.has(webDevice.Model, webDevice.Serial, "Amazon"), "the link of the QR code shows the device", "%s %s", webDevice.Model, webDevice.Serial)
	if p, err = s.consent(ctx, p, "deny"); err != nil {
		return err
	}
	again := slices.ContainsFunc(p.links, func(l string) bool { return strings.Contains(l, "login") })
	s.check(p.status == 400 && again, "the customer says no: a page says so, and how to try again", "")
	if p, err = s.browser.follow(ctx, p, "login"); err != nil {
		return err
	}
	s.check(p.has(webDevice.Model, webDevice.Serial), "Amazon's page shows what is asked, and for which device", "")
	if p, err = s.browser.submit(ctx, p, "decision", "allow"); err != nil {
		return err
	}
	s.check(p.status == 200 && p.has(webDevice.Serial, pressSlot, secondSlot), "the customer says yes: paired, with the device's slots", "")

	before, err := s.box.calls(ctx)
	if err != nil {
		return err
	}
	if p, err = s.browser.open(ctx, p.url.String()); err != nil {
		return err
	}
	after, err := s.box.calls(ctx)
	s.check(p.status == 200 && before.LWA["authorization_code"] == after.LWA["authorization_code"], "the page opened again exchanges nothing", "")
	return err
}

// consent signs in from a page of ours and answers Amazon's question.
func (s *story) consent(ctx context.Context, p *page, decision string) (*page, error) {
	p, err := s.browser.follow(ctx, p, "login")
	if err != nil {
		return nil, err
	}
	return s.browser.submit(ctx, p, "decision", decision)
}

func (s *story) pairsItself(ctx context.Context) error {
	key, err := s.pairOwn(ctx, "")
	if err != nil {
		return err
	}
	s.device, err = newDemoDevice(ctx, "mqtt://"+s.child.Addresses.MQTT, ownDevice.Name(), key)
	if err != nil {
		return err
	}
	s.key = key
	s.check(true, "with its key it connects over MQTT", "%s", ownDevice.Name())
	return nil
}

// pairOwn pairs the device that pairs itself, with its present key if it has one.
func (s *story) pairOwn(ctx context.Context, present string) (key string, err error) {
	started, err := s.api.startPairing(ctx, ownDevice.Model, ownDevice.Serial, present)
	if err != nil {
		return "", err
	}
	status, err := s.api.pairingStatus(ctx, started.ID, started.DeviceKey)
	if err != nil {
		return "", err
	}
	s.check(status == "waiting" && started.URL != "", "the device asks for a pairing and shows a link", "%s", started.URL)
	_, err = s.api.registration(ctx, started.DeviceKey)
	s.check(is(err, "not_paired_yet"), "its key sleeps until the customer is done", "")

	p, err := s.browser.open(ctx, started.URL)
	if err != nil {
		return "", err
	}
	if p, err = s.consent(ctx, p, "allow"); err != nil {
		return "", err
	}
	if status, err = s.api.pairingStatus(ctx, started.ID, started.DeviceKey); err != nil {
		return "", err
	}
	s.check(p.status == 200 && status == "paired", "the customer opens the link and says yes: the device is told", "")
	s.check(!strings.Contains(p.text, started.DeviceKey), "no page shows the device key", "")
	return started.DeviceKey, nil
}

func (s *story) presses(ctx context.Context) error {
	first, err := s.device.press(ctx, pressSlot, "press-1")
	if err != nil {
		return err
	}
	s.first = first
	s.check(first.Outcome == message.Ordered && first.InstanceID != "" && !first.Replayed, "pressed over MQTT: the order is placed", "%s, %s", first.Outcome, first.InstanceID)
	o, err := hear(ctx, s.device, message.EventOrder, func(o message.Order) bool { return o.InstanceID == first.InstanceID })
	if err != nil {
		return err
	}
	s.orderStatus = o.Status
	s.check(o.Slot == pressSlot, "Amazon's notification reaches the device", "order of %s: %s", o.Slot, o.Status)

	again, err := s.device.press(ctx, pressSlot, "press-1")
	if err != nil {
		return err
	}
	s.check(again.Replayed && again.InstanceID == first.InstanceID, "the same press again: the first result, replayed", "")
	over, err := s.api.replenish(ctx, s.key, pressSlot, "press-1")
	if err != nil {
		return err
	}
	s.check(over.Replayed && over.InstanceID == first.InstanceID, "and over HTTPS too", "")
	orders, err := s.box.orders(ctx, ownDevice.Serial, pressSlot)
	if err != nil {
		return err
	}
	s.check(len(orders) == 1, "Amazon has one order", "")

	other, err := s.api.replenish(ctx, s.key, secondSlot, "")
	if err != nil {
		return err
	}
	s.check(other.Outcome == message.Ordered, "another slot, over HTTPS with the device key", "%s, %s", other.Outcome, other.Slot)
	unsubscribed, err := s.device.press(ctx, "side-brush", "press-2")
	if err != nil {
		return err
	}
	s.check(unsubscribed.Outcome == message.NotSubscribed, "a slot that nobody has subscribed to orders nothing", "%s", unsubscribed.Outcome)
	s.device.link.client.Publish(message.Up(ownDevice.Name(), message.ActionReplenish), 1, false, "no JSON at all")
	bad, err := hear(ctx, s.device, message.EventResult, func(r message.Result) bool { return r.Outcome == message.Failed })
	if err != nil {
		return err
	}
	s.check(bad.DetailCode != "", "bytes that are no message get an answer, too", "%s, %s", bad.Outcome, bad.DetailCode)
	return nil
}

// reconnects waits until the device is back after its broker was away.
func (s *story) reconnects(ctx context.Context) error {
	if err := s.device.await(ctx, linkUp); err != nil {
		return fmt.Errorf("reconnecting: %w", err)
	}
	return nil
}

// told waits until the device hears how it stands.
func (s *story) told(ctx context.Context, status store.Status) (message.Registration, error) {
	return hear(ctx, s.device, message.EventRegistration, func(r message.Registration) bool { return r.Status == string(status) })
}

// slept is how far the clock is moved for a device that was asleep.
const slept = 12 * time.Hour
