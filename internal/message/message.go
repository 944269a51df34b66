// Package message holds what devices send and hear: topics and payloads, the same
// over MQTT and HTTPS.
package message

import (
	"strings"
	"time"
)

// Actions are the last segment of dash/v1/up/<thing>/<action>.
const (
	ActionReplenish    = "replenish"
	ActionSlotStatus   = "slot-status"
	ActionDeviceStatus = "device-status"
	ActionRegistration = "registration"
	ActionPairing      = "pairing"
)

// Events are the last segment of dash/v1/down/<thing>/<event>.
const (
	EventResult       = "result"
	EventRegistration = "registration"
	EventPairing      = "pairing"
	EventOrder        = "order"
	EventSubscription = "subscription"
)

const (
	upPrefix   = "dash/v1/up/"
	downPrefix = "dash/v1/down/"
)

// MaxPayload is the largest payload that is read, in bytes. AWS IoT takes 128 KB;
// no message of ours needs a tenth of it.
const MaxPayload = 64 << 10

// Up returns the topic on which a thing asks for an action.
func Up(thing, action string) string { return upPrefix + thing + "/" + action }

// Down returns the topic on which a thing hears of an event.
func Down(thing, event string) string { return downPrefix + thing + "/" + event }

// ParseUp splits a topic that a device publishes to. ok is false for any other.
func ParseUp(topic string) (thing, action string, ok bool) { return parse(topic, upPrefix) }

// ParseDown splits a topic that a device subscribes to. ok is false for any other.
func ParseDown(topic string) (thing, event string, ok bool) { return parse(topic, downPrefix) }

func parse(topic, prefix string) (thing, last string, ok bool) {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return "", "", false
	}
	thing, last, ok = strings.Cut(rest, "/")
	return thing, last, ok && thing != "" && last != "" && !strings.Contains(last, "/")
}

// Outcome says how a replenish ended, or that it has not yet.
type Outcome string

// The outcomes. Retrying is a promise: the final result follows without the device.
const (
	Ordered       Outcome = "ordered"
	TestOrdered   Outcome = "test_ordered"
	InProgress    Outcome = "in_progress"
	NotSubscribed Outcome = "not_subscribed"
	UnknownSlot   Outcome = "unknown_slot"
	NotRegistered Outcome = "not_registered"
	GrantEnded    Outcome = "grant_ended"
	Retrying      Outcome = "retrying"
	Failed        Outcome = "failed"
)

// Final reports whether an outcome will not change any more.
func (o Outcome) Final() bool { return o != Retrying }

// Replenish asks for a refill of a slot. ID is the device's own, or empty.
type Replenish struct {
	Slot string `json:"slot"`
	ID   string `json:"id,omitempty"`
}

// Result answers a Replenish. All eight members are always present.
type Result struct {
	ID         string    `json:"id"`
	Thing      string    `json:"thing"`
	Slot       string    `json:"slot"`
	Outcome    Outcome   `json:"outcome"`
	DetailCode string    `json:"detail_code"`
	InstanceID string    `json:"instance_id"`
	Replayed   bool      `json:"replayed"`
	At         time.Time `json:"at"`
}

// Slot is one consumable of a device and whether the customer subscribed to it.
type Slot struct {
	Slot       string `json:"slot"`
	Subscribed bool   `json:"subscribed"`
}

// Registration is how things stand with a device. Status is that of the stored
// registration, or not_registered where there is none.
type Registration struct {
	Thing       string    `json:"thing"`
	DeviceModel string    `json:"device_model"`
	Serial      string    `json:"serial"`
	Status      string    `json:"status"`
	Reason      string    `json:"reason"`
	Renewable   bool      `json:"renewable"`
	Slots       []Slot    `json:"slots"`
	At          time.Time `json:"at"`
}

// Order tells a device what became of an order. ExpectedDelivery is as DRS wrote it,
// or empty.
type Order struct {
	Thing            string    `json:"thing"`
	Slot             string    `json:"slot"`
	InstanceID       string    `json:"instance_id"`
	Status           string    `json:"status"`
	ExpectedDelivery string    `json:"expected_delivery"`
	At               time.Time `json:"at"`
}

// Subscription tells a device that the customer changed a subscription.
type Subscription struct {
	Thing string    `json:"thing"`
	Slots []Slot    `json:"slots"`
	At    time.Time `json:"at"`
}

// Pairing tells a device where its customer can finish a pairing.
type Pairing struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}
