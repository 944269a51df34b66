package main

import (
	"cmp"
	"fmt"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

// good reports whether a press has done what the button is for.
func good(o message.Outcome) bool {
	return o == message.Ordered || o == message.TestOrdered || o == message.InProgress
}

// meaning says in words what an outcome means, and what would help.
func meaning(o message.Outcome) string {
	switch o {
	case message.Ordered:
		return "the order is placed"
	case message.TestOrdered:
		return "a test order is placed, nothing is charged or shipped"
	case message.InProgress:
		return "an order for this slot is still open, nothing new was ordered"
	case message.NotSubscribed:
		return "the customer has not subscribed to this slot"
	case message.UnknownSlot:
		return "the device has no such slot; restock devices show lists those that it has"
	case message.NotRegistered:
		return "the device is not paired with a customer; pair it first"
	case message.GrantEnded:
		return "the customer's consent has ended; pair the device again"
	case message.Retrying:
		return "it can't be done right now; it is tried on without the device"
	}
	return "the press could not be done"
}

// resultLine is a result as a device prints it.
func resultLine(t *terminal, r message.Result) string {
	line := fmt.Sprintf("%s %s  %s: %s", t.mark(good(r.Outcome)), t.bold(string(r.Outcome)), cmp.Or(r.Slot, "-"), meaning(r.Outcome))
	if r.Replayed {
		line += ", as said before"
	}
	if r.Outcome == message.Failed && r.DetailCode != "" {
		line += " (" + r.DetailCode + ")"
	}
	if r.InstanceID != "" {
		line += t.dim("  " + r.InstanceID)
	}
	return line
}

// why says in words why a registration is no longer active.
func why(reason string) string {
	switch reason {
	case store.ReasonConsentWithdrawn:
		return "the customer has withdrawn consent"
	case store.ReasonNoRefreshToken:
		return "Amazon gave a grant for an hour only, and the hour is over"
	case store.ReasonDeregistered:
		return "the device was deregistered"
	case store.ReasonByAmazon:
		return "the device was deregistered at Amazon"
	case store.ReasonByOperator:
		return "the device was freed by its maker"
	}
	return reason
}
