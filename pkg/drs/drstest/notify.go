package drstest

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// The types of notification.
const (
	deviceRegistered    = "DeviceRegisteredNotification"
	deviceDeregistered  = "DeviceDeregisteredNotification"
	subscriptionChanged = "SubscriptionChangedNotification"
	orderPlaced         = "OrderPlacedNotification"
	orderCancelled      = "OrderCancelledNotification"
	itemShipped         = "ItemShippedNotification"
)

// note is a notification on its way.
type note struct {
	body       []byte
	attributes map[string]string
}

// decimal is a number that is written with a point, as DRS writes quantities.
type decimal float64

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(d), 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

// notify writes a notification, to be sent once the change is saved.
//
// Source: developer.amazon.com/docs/dash/notification-messages.html
func (c *change) notify(at time.Time, kind string, d Device, o *Order, slots []Slot) {
	v1 := c.s.st.switches.NotificationsV1
	message := map[string]any{
		"notificationInfo": map[string]string{
			"notificationType": kind,
			"lwaClientId":      d.ClientID,
			"notificationTime": at.Format("2006-01-02T15:04:05.000Z"),
			"notificationId":   "amzn1.dash.notification.v1." + uuid(),
			"version":          "2015-06-05", // in both versions
		},
		"deviceInfo": map[string]any{
			"deviceIdentifier":  map[string]string{"serialNumber": d.Serial},
			"productIdentifier": map[string]string{"modelId": d.Model},
		},
		"customerInfo": map[string]string{"directedCustomerId": d.CustomerID},
	}
	n := note{attributes: map[string]string{}}
	switch kind {
	case subscriptionChanged:
		message["subscriptionInfo"] = slotsSubscriptionStatus(slots, v1)
	case orderPlaced, itemShipped:
		message["orderInfo"] = o.notice(v1)
	case orderCancelled: // has one shape only
		message["orderInfo"] = map[string]string{"instanceId": o.ID, "slotId": o.Slot.ID}
		v1 = true
	default:
		v1 = true
	}
	if !v1 {
		n.attributes["version"] = "2.0"
	}
	n.body = encodeJSON(message)
	c.notes = append(c.notes, n)
}

// notice is an order as its notifications have it.
func (o *Order) notice(v1 bool) any {
	delivery := o.EstimatedDelivery.Format("2006-01-02T15:04:05Z")
	p := product{Quantity: decimal(o.Slot.Quantity), Unit: o.Slot.Unit}
	notice := map[string]any{"instanceId": o.ID, "slotId": o.Slot.ID}
	if v1 {
		notice["estimatedDeliveryDate"] = delivery
	} else {
		p.ASIN, p.EstimatedDelivery = o.Slot.ASIN, delivery
	}
	notice["productInfo"] = []product{p}
	return notice
}

// outbox hands notifications over in the order of the changes, one at a time, and holds
// no lock meanwhile.
type outbox struct {
	notify func(body []byte, attributes map[string]string)

	mu    sync.Mutex
	queue []note
	busy  bool
}

func (o *outbox) add(notes []note) {
	if o.notify == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, notes...)
}

// deliver empties the queue, or leaves it to whoever is at it.
func (o *outbox) deliver() {
	for n, ok := o.take(true); ok; n, ok = o.take(false) {
		o.send(n)
	}
}

// take returns the next note. first asks to begin, which only one may at a time.
func (o *outbox) take(first bool) (note, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if first && o.busy {
		return note{}, false
	}
	o.busy = len(o.queue) > 0
	if !o.busy {
		return note{}, false
	}
	n := o.queue[0]
	o.queue = o.queue[1:]
	return n, true
}

// send calls the hook. Should that panic, the others still get their turn later.
func (o *outbox) send(n note) {
	sent := false
	defer func() {
		if !sent {
			o.mu.Lock()
			o.busy = false
			o.mu.Unlock()
		}
	}()
	o.notify(n.body, n.attributes)
	sent = true
}
