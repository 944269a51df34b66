package local

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/store"
)

// Bounds of what the admin socket shows.
const (
	shownDead    = 20
	shownDevices = 10_000
)

// Status says how the stack is doing.
func (s *Stack) Status() Status {
	dead, _ := s.queue.Dead(shownDead) // their number is told anyway
	return Status{
		Version: s.version, PID: os.Getpid(), Started: s.started.UTC(), Data: s.cfg.Data, Addresses: s.Addresses(),
		Now: s.clock.Now(), Moved: s.clock.Offset().String(), Connected: s.broker.Connected(),
		Queue: s.queue.Depth(), DeadLetters: s.queue.DeadCount(), Dead: dead, Counts: s.metrics.Snapshot(),
	}
}

// Addresses returns where the stack is reached.
func (s *Stack) Addresses() Addresses {
	return Addresses{
		HTTP: "http://" + reach(s.listeners.http), MQTT: reach(s.listeners.mqtt),
		Sandbox: s.sandboxURL(), Redirect: s.cfg.RedirectURL,
	}
}

// Data is the path of the data file.
func (s *Stack) Data() string { return s.cfg.Data }

// Devices lists the registered things, or the one that is named.
func (s *Stack) Devices(ctx context.Context, name string) ([]Device, error) {
	names := []string{name}
	if name == "" {
		var err error
		if names, err = s.store.Things(ctx, "", shownDevices); err != nil {
			return nil, err
		}
	}
	devices := []Device{}
	for _, n := range names {
		r := &store.Registration{Thing: n}
		switch err := s.store.Get(ctx, r); {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			d, connected := DeviceOf(r), s.broker.IsConnected(r.Thing)
			d.Connected = &connected
			devices = append(devices, d)
		}
	}
	return devices, nil
}

// Free takes a device from whoever holds it, and tells the device. anyway is said of
// [ownership.Owner].
func (s *Stack) Free(ctx context.Context, name string, anyway bool) (ownership.Outcome, error) {
	owner := &ownership.Owner{Store: s.store, Anyway: anyway, Now: s.clock.Now, Amazon: func(ctx context.Context, r *store.Registration) error {
		return ownership.AtAmazon(ctx, s.keeper, s.drs, r)
	}}
	o, r, err := owner.Free(ctx, name)
	if err != nil || !o.Freed {
		return o, err
	}
	slog.InfoContext(ctx, "device freed by an operator", "thing", name)
	if err := s.broker.Publish(ctx, name, message.EventRegistration, r.State()); err != nil {
		slog.WarnContext(ctx, "device was not told that it was freed", "thing", name, "error", err)
	}
	return o, nil
}

// DeviceOf returns what an operator may see of a registration.
func DeviceOf(r *store.Registration) Device {
	return Device{
		Registration: r.State(), CustomerID: r.CustomerID, Region: r.Region, ClientID: r.ClientID, HasKey: r.KeyHash != "",
		TokenExpiry: r.Expiry.UTC(), RefreshDue: r.DueAt.UTC(), Failures: r.Failures, NextAttempt: r.NextAttempt.UTC(),
		LastActive: r.LastActive.UTC(),
	}
}
