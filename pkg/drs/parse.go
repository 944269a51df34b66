package drs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// wireNotification is the message in both versions. Member names match in any case,
// so LWAClientId, as it was spelled in 2015, is read too.
type wireNotification struct {
	Info *struct {
		Type     string `json:"notificationType"`
		ClientID string `json:"lwaClientId"`
		Time     string `json:"notificationTime"`
		ID       string `json:"notificationId"`
	} `json:"notificationInfo"`
	Device struct {
		Identifier struct {
			Serial string `json:"serialNumber"`
		} `json:"deviceIdentifier"`
		Product struct {
			Model string `json:"modelId"`
		} `json:"productIdentifier"`
	} `json:"deviceInfo"`
	Customer struct {
		ID    string     `json:"directedCustomerId"`
		Order *wireOrder `json:"orderInfo"` // where the sample of ItemShipped has it
	} `json:"customerInfo"`
	Order         *wireOrder        `json:"orderInfo"`
	Subscriptions *subscriptionInfo `json:"subscriptionInfo"`
}

type wireOrder struct {
	InstanceID        string        `json:"instanceId"`
	SlotID            string        `json:"slotId"`
	Products          []wireProduct `json:"productInfo"`
	EstimatedDelivery string        `json:"estimatedDeliveryDate"` // version 1
}

func parseNotification(message []byte) (*Notification, error) {
	if len(message) > MaxNotification {
		return nil, errors.New("it is over 256 KiB")
	}
	w, err := decodeNotification(unwrap(message))
	if err != nil {
		return nil, err
	}
	n := &Notification{
		Type: NotificationType(w.Info.Type), ID: w.Info.ID, Time: parseTime(w.Info.Time), ClientID: w.Info.ClientID,
		Model: w.Device.Product.Model, Serial: w.Device.Identifier.Serial, CustomerID: w.Customer.ID,
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	if n.Order, err = w.order(); err != nil {
		return nil, err
	}
	if w.Subscriptions != nil {
		if n.Slots, err = w.Subscriptions.slots(); err != nil {
			return nil, err
		}
	}
	return n, n.complete()
}

func decodeNotification(message []byte) (*wireNotification, error) {
	var w wireNotification
	err := json.Unmarshal(message, &w)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return nil, fmt.Errorf("%.100q has the wrong JSON type", wrong.Field)
	case errors.Is(err, errNoSubscription):
		return nil, err
	case err != nil || !isObject(message):
		return nil, errors.New("it is no JSON object")
	case w.Info == nil:
		return nil, errors.New("there is no notificationInfo")
	}
	return &w, nil
}

// unwrap returns the message inside one that was published for several protocols: an
// object whose members are named after them, each holding the message as JSON or as
// text. Messages published by hand in the SNS console look so.
func unwrap(message []byte) []byte {
	if !bytes.Contains(message, []byte("notificationInfo")) || !isObject(message) {
		return message
	}
	var outer struct {
		Info    json.RawMessage `json:"notificationInfo"`
		Default json.RawMessage `json:"default"`
		Email   json.RawMessage `json:"email"`
		HTTP    json.RawMessage `json:"http"`
		HTTPS   json.RawMessage `json:"https"`
	}
	if json.Unmarshal(message, &outer) != nil || outer.Info != nil {
		return message
	}
	for _, inner := range [][]byte{outer.Default, outer.Email, outer.HTTP, outer.HTTPS} {
		var text string
		if json.Unmarshal(inner, &text) == nil && text != "" {
			inner = []byte(text)
		}
		if isObject(inner) && bytes.Contains(inner, []byte("notificationInfo")) {
			return inner
		}
	}
	return message
}

func (w *wireNotification) order() (*OrderNotice, error) {
	o := w.Order
	if o == nil {
		o = w.Customer.Order
	}
	switch {
	case o == nil:
		return nil, nil
	case !isText(o.InstanceID, maxID):
		return nil, errors.New("orderInfo.instanceId must have 1 to 255 bytes without control characters")
	case o.SlotID != "" && !isText(o.SlotID, maxID):
		return nil, errors.New("orderInfo.slotId must have at most 255 bytes without control characters")
	}
	delivery := o.EstimatedDelivery
	for _, p := range o.Products {
		if delivery == "" {
			delivery = p.EstimatedDelivery
		}
	}
	return &OrderNotice{
		InstanceID: o.InstanceID, SlotID: o.SlotID,
		Products: products(o.Products), EstimatedDelivery: tidy(delivery, maxCode, ""),
	}, nil
}

// parseTime reads what is documented, with or without fractions, and the date alone as
// Amazon's samples have it. Zero for anything else: no message is lost for its date.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
