package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// devices is how many devices of the story hold a grant, and so how many refreshes one
// expiry costs.
const devices = 2

func (s *story) staysFresh(ctx context.Context) error {
	before, err := s.box.refreshes(ctx)
	if err != nil {
		return err
	}
	if err := s.box.advance(ctx, 52*time.Minute); err != nil { // of the token's 60
		return err
	}
	err = until(ctx, "the schedule to refresh ahead", func() (bool, error) {
		n, err := s.box.refreshes(ctx)
		return n == before+devices, err
	})
	if err != nil {
		return err
	}
	s.check(true, "52 minutes later the schedule has refreshed every token ahead of its end", "%d refreshes for %d devices", devices, devices)
	begun := time.Now()
	r, err := s.device.press(ctx, pressSlot, "press-fresh")
	if err != nil {
		return err
	}
	took := time.Since(begun)
	after, err := s.box.refreshes(ctx)
	if err != nil {
		return err
	}
	s.check(r.Outcome == message.InProgress && after == before+devices, "so a press waits for nothing", "%s after %d ms, no call to LWA", r.Outcome, took.Milliseconds())
	if err := s.sleeps(ctx); err != nil {
		return err
	}
	if err := s.box.ship(ctx, s.first.InstanceID); err != nil {
		return err
	}
	o, err := hear(ctx, s.device, message.EventOrder, func(o message.Order) bool {
		return o.InstanceID == s.first.InstanceID && o.Status != s.orderStatus
	})
	if err != nil {
		return err
	}
	s.check(true, "Amazon ships the order: the device hears of it", "order of %s: %s", o.Slot, o.Status)
	return nil
}

// atOnce is how many presses come at the same time after a sleep.
const atOnce = 20

// sleeps moves the clock by hours at once, with LWA slow, so that presses meet tokens
// that have expired.
func (s *story) sleeps(ctx context.Context) error {
	before, err := s.box.refreshes(ctx)
	if err != nil {
		return err
	}
	err = s.box.fault(ctx, sandbox.Faults{LWA: []lwatest.Fault{{
		Route: lwatest.RouteToken, GrantType: "refresh_token", Kind: lwatest.Slow, Delay: lwatest.Duration(700 * time.Millisecond), Times: devices,
	}}, DRS: []drstest.Fault{}})
	if err != nil {
		return err
	}
	if err := s.box.advance(ctx, slept); err != nil {
		return err
	}
	var all sync.WaitGroup
	outcomes := make(chan message.Outcome, atOnce)
	for i := range atOnce {
		all.Go(func() {
			r, err := s.device.press(ctx, pressSlot, fmt.Sprintf("press-late-%d", i))
			if err == nil {
				outcomes <- r.Outcome
			}
		})
	}
	all.Wait()
	close(outcomes)
	good := 0
	for o := range outcomes {
		if o == message.InProgress {
			good++
		}
	}
	after, err := s.box.refreshes(ctx)
	s.check(good == atOnce && after == before+devices, "after a sleep of 12 hours many presses come at once: one refresh serves them all",
		"%d presses, %d refreshes for %d devices", good, after-before, devices)
	return err
}

func (s *story) isKilled(ctx context.Context) error {
	// DRS is slow, so that the press is under way when the process ends.
	calls, err := s.box.calls(ctx)
	if err != nil {
		return err
	}
	err = s.box.fault(ctx, sandbox.Faults{LWA: []lwatest.Fault{}, DRS: []drstest.Fault{{
		Route: drstest.RouteReplenish, Kind: drstest.Hang,
	}}})
	if err != nil {
		return err
	}
	if err := s.box.post(ctx, "/sandbox/subscribe", map[string]any{"thing": ownDevice.Name(), "slot": "side-brush", "subscribed": true}); err != nil {
		return err
	}
	sent := s.device.link.client.Publish(message.Up(ownDevice.Name(), message.ActionReplenish), 1, false, `{"slot":"side-brush","id":"press-lost"}`)
	if err := wait(ctx, sent); err != nil {
		return err
	}
	err = until(ctx, "the press to reach Amazon", func() (bool, error) {
		n, err := s.box.calls(ctx)
		return n.DRS["replenish"] > calls.DRS["replenish"], err
	})
	if err != nil {
		return err
	}
	a := s.child.Addresses
	s.child.kill()
	if err := s.device.await(ctx, linkDown); err != nil {
		return err
	}
	s.check(true, "killed, with a press acknowledged and under way", "process %d", s.child.PID)
	s.child, err = startChild(ctx, "--data", s.data(), "--http", hostOf(a.HTTP), "--mqtt", a.MQTT, "--sandbox", hostOf(a.Sandbox))
	if err != nil {
		return err
	}
	s.check(true, "started again", "ready after %d ms", s.child.took.Milliseconds())
	if err := s.reconnects(ctx); err != nil {
		return err
	}
	known, err := local.AskDevices(ctx, s.data(), "")
	if err != nil {
		return err
	}
	active := 0
	for _, d := range known {
		if d.Status == string(store.Active) {
			active++
		}
	}
	s.check(active == devices, "every device is still there, and paired", "%d devices", active)
	r, err := s.device.press(ctx, pressSlot, "press-1")
	if err != nil {
		return err
	}
	s.check(r.Replayed && r.InstanceID == s.first.InstanceID, "the first press still has its result", "%s", r.InstanceID)
	return s.survives(ctx)
}

// survives waits for the press that was under way. Its claim ends with time.
func (s *story) survives(ctx context.Context) error {
	if err := s.box.advance(ctx, 10*time.Minute); err != nil {
		return err
	}
	r, err := s.device.result(ctx, "press-lost")
	if err != nil {
		return err
	}
	s.check(good(r.Outcome), "the press that was under way was not lost", "%s", r.Outcome)
	orders, err := s.box.orders(ctx, ownDevice.Serial, "side-brush")
	s.check(len(orders) == 1, "and has ordered once", "")
	return err
}

func (s *story) losesConsent(ctx context.Context) error {
	before, err := s.box.refreshes(ctx)
	if err != nil {
		return err
	}
	if err := s.box.post(ctx, "/sandbox/withdraw", map[string]any{"thing": ownDevice.Name()}); err != nil {
		return err
	}
	if err := s.box.advance(ctx, time.Hour); err != nil {
		return err
	}
	reg, err := s.told(ctx, store.GrantEnded)
	if err != nil {
		return err
	}
	s.check(reg.Reason == store.ReasonConsentWithdrawn, "the next refresh finds out, and the device is told", "%s: %s", reg.Status, reg.Reason)
	err = until(ctx, "the schedule to come to the end", func() (bool, error) {
		n, err := s.box.refreshes(ctx)
		return n == before+devices, err
	})
	if err != nil {
		return err
	}
	ended := 0
	for i := range 3 {
		r, err := s.device.press(ctx, pressSlot, fmt.Sprintf("press-ended-%d", i))
		if err != nil {
			return err
		}
		if r.Outcome == message.GrantEnded {
			ended++
		}
	}
	after, err := s.box.refreshes(ctx)
	if err != nil {
		return err
	}
	s.check(ended == 3 && after == before+devices, "presses say so, and LWA is not asked again", "%s", message.GrantEnded)
	return s.heals(ctx)
}

func (s *story) heals(ctx context.Context) error {
	key, err := s.pairOwn(ctx, s.key)
	if err != nil {
		return err
	}
	s.device.close()
	s.device, err = newDemoDevice(ctx, "mqtt://"+s.child.Addresses.MQTT, ownDevice.Name(), key)
	if err != nil {
		return err
	}
	r, err := s.device.press(ctx, pressSlot, "press-healed")
	if err != nil {
		return err
	}
	s.check(good(r.Outcome), "paired again, its button works again", "%s", r.Outcome)
	return nil
}

func hostOf(base string) string { return strings.TrimPrefix(base, "http://") }
