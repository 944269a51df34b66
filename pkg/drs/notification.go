package drs

import (
	"errors"
	"fmt"
	"time"
)

// NotificationType says what happened.
type NotificationType string

// The types that are documented. There may be others.
const (
	// DeviceRegistered: the customer has signed in, but may not have chosen products yet.
	DeviceRegistered NotificationType = "DeviceRegisteredNotification"
	// DeviceDeregistered: by [Client.Deregister], by the customer, or by Amazon.
	DeviceDeregistered NotificationType = "DeviceDeregisteredNotification"
	// SubscriptionChanged: a device was registered, or the customer chose other products.
	SubscriptionChanged NotificationType = "SubscriptionChangedNotification"
	// OrderPlaced: an order was made; it ships unless cancelled within 24 hours.
	OrderPlaced NotificationType = "OrderPlacedNotification"
	// OrderCancelled: by the customer, or because a problem was not solved in 72 hours.
	OrderCancelled NotificationType = "OrderCancelledNotification"
	// ItemShipped: an order is on its way. Its delivery is not notified.
	ItemShipped NotificationType = "ItemShippedNotification"
)

// Notification is a message of DRS, delivered by SNS at least once and in any order.
type Notification struct {
	// Type is one of the constants above, or one that Amazon has added since.
	Type NotificationType
	// ID is the same when the same notification comes again; may be empty.
	ID string
	// Time is when DRS sent it, in UTC; zero if the message doesn't say.
	Time time.Time
	// ClientID is the LWA client that the device was registered with; may be empty.
	ClientID string
	// Model and Serial are the device's; empty only for a type that isn't known.
	Model, Serial string
	// CustomerID is amzn1.account.…; may be empty.
	CustomerID string
	// Order is set for OrderPlaced, ItemShipped and OrderCancelled.
	Order *OrderNotice
	// Slots are set for SubscriptionChanged, sorted by ID.
	Slots []Slot
}

// OrderNotice is the order that a notification is about.
type OrderNotice struct {
	InstanceID string // the event instance ID that Replenish returned
	SlotID     string
	Products   []Product // nil for OrderCancelled
	// EstimatedDelivery is ISO 8601, that of the first product that has one; may be empty.
	EstimatedDelivery string
}

// MaxNotification is the largest message that SNS delivers, in bytes.
const MaxNotification = 256 << 10

// ParseNotification reads a notification in version 1 or 2: the text of an SNS message,
// one JSON object. Members that are not known are ignored, and a type that is not known
// is passed on with what could be read.
//
// Errors: a sentence that says what is missing or malformed. It holds no value of the
// message, except for the type.
//
// Source: developer.amazon.com/docs/dash/notification-messages.html
func ParseNotification(message []byte) (*Notification, error) {
	n, err := parseNotification(message)
	if err != nil {
		return nil, fmt.Errorf("drs: reading a notification: %w", err)
	}
	return n, nil
}

// check looks at what every type has.
func (n *Notification) check() error {
	if !isText(string(n.Type), maxCode) {
		return errors.New("notificationInfo.notificationType must have 1 to 128 bytes without control characters")
	}
	for _, field := range []struct{ name, value string }{
		{"notificationInfo.notificationId", n.ID},
		{"notificationInfo.lwaClientId", n.ClientID},
		{"deviceInfo.productIdentifier.modelId", n.Model},
		{"deviceInfo.deviceIdentifier.serialNumber", n.Serial},
		{"customerInfo.directedCustomerId", n.CustomerID},
	} {
		if field.value != "" && !isText(field.value, maxID) {
			return fmt.Errorf("%s must have at most 255 bytes without control characters", field.name)
		}
	}
	return nil
}

// complete looks at what a known type must have besides.
func (n *Notification) complete() error {
	switch n.Type {
	case DeviceRegistered, DeviceDeregistered:
	case SubscriptionChanged:
		if n.Slots == nil {
			return fmt.Errorf("a %s has no subscriptionInfo", n.Type)
		}
	case OrderPlaced, ItemShipped, OrderCancelled:
		if n.Order == nil {
			return fmt.Errorf("an %s has no orderInfo", n.Type)
		}
	default:
		return nil
	}
	if n.Model == "" || n.Serial == "" {
		return fmt.Errorf("the %s doesn't say which device it is about", n.Type)
	}
	return nil
}
