package drstest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Device is one physical device and whose it is. Model and Serial name it.
type Device struct {
	Model      string `json:"model"`
	Serial     string `json:"serial"`
	ClientID   string `json:"client_id,omitempty"`   // the LWA client it was registered with
	CustomerID string `json:"customer_id,omitempty"` // amzn1.account.…
	Test       bool   `json:"test,omitempty"`        // is_test_device
	NonLive    bool   `json:"non_live,omitempty"`    // should_include_non_live
}

type deviceKey struct{ model, serial string }

func (d Device) key() deviceKey { return deviceKey{d.Model, d.Serial} }

// Slot is one consumable of a device model, with the one product that customers get.
type Slot struct {
	ID         string  `json:"id"`
	Subscribed bool    `json:"subscribed"`
	ASIN       string  `json:"asin"`
	Quantity   float64 `json:"quantity"`
	Unit       string  `json:"unit"`
}

// DefaultSlots returns the slots of a device model that [Options.Models] doesn't list.
func DefaultSlots() []Slot {
	return []Slot{
		{ID: "bag", Subscribed: true, ASIN: "B00EXAMPL2", Quantity: 1, Unit: "count"},
		{ID: "filter", Subscribed: true, ASIN: "B00EXAMPLE", Quantity: 1, Unit: "count"},
	}
}

func checkSlots(slots []Slot) error {
	seen := map[string]bool{}
	for _, slot := range slots {
		if slot.ID == "" || seen[slot.ID] {
			return fmt.Errorf("slot IDs must not be empty or twice: %.80q", slot.ID)
		}
		seen[slot.ID] = true
	}
	return nil
}

// modelSlots returns the slots of a device model, as a customer gets them.
func (s *Server) modelSlots(model string) []Slot {
	if slots, ok := s.options.Models[model]; ok {
		return slots
	}
	return DefaultSlots()
}

// Registration is what the server knows of a device.
type Registration struct {
	Device
	Registered bool      `json:"registered"`
	At         time.Time `json:"at"` // since when it is registered, or no longer is
	Slots      []Slot    `json:"slots"`
	LastActive string    `json:"last_active,omitempty"` // of the last device status, as it was sent
	// Reports are the last slot status of each slot.
	Reports map[string]SlotReport `json:"reports,omitempty"`
	// Former are the slots of customers that it was taken over from, by customer ID.
	Former map[string][]Slot `json:"former,omitempty"`
}

// SlotReport is a slot status that was taken, dates as they were sent.
type SlotReport struct {
	At                    time.Time `json:"at"`
	ExpectedReplenishment *string   `json:"expectedReplenishmentDate,omitempty"`
	Remaining             *float64  `json:"remainingQuantityInUnit,omitempty"`
	Original              *float64  `json:"originalQuantityInUnit,omitempty"`
	OnHand                *float64  `json:"totalQuantityOnHand,omitempty"`
	LastUse               *string   `json:"lastUseDate,omitempty"`
}

func (r *Registration) clone() *Registration {
	c := *r
	c.Slots, c.Reports, c.Former = slices.Clone(r.Slots), maps.Clone(r.Reports), maps.Clone(r.Former)
	return &c
}

func (r *Registration) slot(id string) *Slot {
	i := slices.IndexFunc(r.Slots, func(s Slot) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Slots[i]
}

func (s *Server) newRegistration(d Device) *Registration {
	slots := slices.Clone(s.modelSlots(d.Model))
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(a.ID, b.ID) })
	return &Registration{Device: d, Registered: true, At: s.now(), Slots: slots}
}

// Register is the customer who has finished signing in: the device is registered, with the
// subscriptions of its model, or those it has if it was this customer's already. From
// another customer it is taken over; the subscriptions of that one come back with the next
// sign-in of theirs. It is notified as DeviceRegistered and SubscriptionChanged.
//
// Errors: a device without model or serial; that of [Options.Save].
func (s *Server) Register(d Device) error {
	if d.Model == "" || d.Serial == "" {
		return errors.New("a device has a model and a serial")
	}
	return s.update(func(c *change) error {
		next := s.newRegistration(d)
		if old := c.registration(d.key()); old != nil && old.Registered {
			next.follow(old)
		}
		c.set(next)
		c.notify(c.at, deviceRegistered, d, nil, nil)
		c.notify(c.at, subscriptionChanged, d, nil, next.Slots)
		return nil
	})
}

// follow takes over from the registration before.
func (r *Registration) follow(old *Registration) {
	r.Former = maps.Clone(old.Former)
	if old.CustomerID == r.CustomerID {
		r.Slots, r.LastActive, r.Reports = old.Slots, old.LastActive, old.Reports
		return
	}
	if slots, ok := r.Former[r.CustomerID]; ok {
		r.Slots = slots
		delete(r.Former, r.CustomerID)
	}
	if r.Former == nil {
		r.Former = map[string][]Slot{}
	}
	r.Former[old.CustomerID] = old.Slots
}

// Deregister is the customer, or Amazon, who takes the device off the account. It is
// notified as DeviceDeregistered, and [Options.Deregistered] is called. For a device that
// isn't registered it does nothing.
//
// Errors: that of [Options.Save].
func (s *Server) Deregister(model, serial string) error {
	return s.update(func(c *change) error {
		if r := c.edit(deviceKey{model, serial}); r != nil && r.Registered {
			c.deregister(r)
		}
		return nil
	})
}

// deregister ends a registration. Orders go on: what was ordered is shipped.
func (c *change) deregister(r *Registration) {
	r.Registered, r.At = false, c.at
	c.ended = append(c.ended, r.Device)
	c.notify(c.at, deviceDeregistered, r.Device, nil, nil)
}

// Subscribe is the customer who switches the subscription of a slot on or off. If that
// changes anything, it is notified as SubscriptionChanged.
//
// Errors: a device that isn't registered, an unknown slot; that of [Options.Save].
func (s *Server) Subscribe(model, serial, slot string, subscribed bool) error {
	return s.update(func(c *change) error {
		r := c.edit(deviceKey{model, serial})
		if r == nil || !r.Registered {
			return fmt.Errorf("device %.80q %.80q is not registered", model, serial)
		}
		known := r.slot(slot)
		if known == nil {
			return fmt.Errorf("device model %.80q has no slot %.80q", model, slot)
		}
		if known.Subscribed != subscribed {
			known.Subscribed = subscribed
			c.notify(c.at, subscriptionChanged, r.Device, nil, r.Slots)
		}
		return nil
	})
}

// Registration returns what is known of a device; false: nothing.
func (s *Server) Registration(model, serial string) (Registration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.st.registrations[deviceKey{model, serial}]
	if r == nil {
		return Registration{}, false
	}
	return *r.clone(), true
}

// Registrations lists the devices, sorted by model and serial. Those that are no longer
// registered are among them.
func (s *Server) Registrations() []Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Registration, 0, len(s.st.registrations))
	for _, r := range s.st.registrations {
		list = append(list, *r.clone())
	}
	slices.SortFunc(list, func(a, b Registration) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Serial, b.Serial))
	})
	return list
}
