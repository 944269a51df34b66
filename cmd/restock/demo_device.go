package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/message"
)

// demoDevice is a device that remembers all it hears until it is asked for.
type demoDevice struct {
	link *link

	mu   sync.Mutex
	all  []heard
	news chan struct{} // closed and replaced when something is heard
	done context.CancelFunc
}

func newDemoDevice(ctx context.Context, broker, thing, key string) (*demoDevice, error) {
	l, err := connect(ctx, broker, thing, key, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &demoDevice{link: l, news: make(chan struct{}), done: cancel}
	go func() {
		for {
			select {
			case h := <-l.heard:
				d.mu.Lock()
				d.all = append(d.all, h)
				close(d.news)
				d.news = make(chan struct{})
				d.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	return d, d.await(ctx, linkUp)
}

func (d *demoDevice) close() {
	d.done()
	d.link.close()
}

// hearTimeout bounds the wait for one message.
const hearTimeout = 15 * time.Second

// hear returns the next message of an event that matches, and leaves the others.
func hear[T any](ctx context.Context, d *demoDevice, event string, matches func(T) bool) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, hearTimeout)
	defer cancel()
	var none T
	for {
		d.mu.Lock()
		news := d.news
		for i, h := range d.all {
			var v T
			if h.event != event || h.payload != nil && json.Unmarshal(h.payload, &v) != nil || !matches(v) {
				continue
			}
			d.all = append(d.all[:i:i], d.all[i+1:]...)
			d.mu.Unlock()
			return v, nil
		}
		d.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return none, fmt.Errorf("the device heard no such %q within %s", event, hearTimeout)
		}
	}
}

// await waits for a change of the connection.
func (d *demoDevice) await(ctx context.Context, event string) error {
	_, err := hear(ctx, d, event, func(struct{}) bool { return true })
	return err
}

// result waits for the final result of a press.
func (d *demoDevice) result(ctx context.Context, id string) (message.Result, error) {
	return hear(ctx, d, message.EventResult, func(r message.Result) bool { return r.ID == id && r.Outcome.Final() })
}

// press presses a slot and waits for the result.
func (d *demoDevice) press(ctx context.Context, slot, id string) (message.Result, error) {
	if err := d.link.send(message.ActionReplenish, message.Replenish{Slot: slot, ID: id}); err != nil {
		return message.Result{}, err
	}
	return d.result(ctx, id)
}
