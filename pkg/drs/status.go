package drs

import (
	"context"
	"encoding/json"
	"time"
)

// SlotStatus is what a device reports of a slot. Nil numbers and zero times are left
// out of the report; Amazon asks for all but OnHand, and checks as it likes.
//
// Quantities are in the unit agreed with Amazon for the device, fractions allowed.
// Amazon documents no range.
type SlotStatus struct {
	ExpectedReplenishment time.Time // when the slot is expected to run out
	Remaining             *float64  // left in the container
	Original              *float64  // in it when full
	OnHand                *float64  // at hand but not loaded
	LastUse               time.Time // last consumption from the slot
}

// SlotStatus reports the state of a slot: after every use, and once a day.
//
// Times are sent in UTC, cut to the second.
//
// Errors: [*Error]; [ErrBadRequest] unsent if a number is infinite or NaN; otherwise
// [*TransportError]. A report may be repeated.
//
// Source: developer.amazon.com/docs/dash/slotstatus-endpoint.html
func (c *Client) SlotStatus(ctx context.Context, accessToken, slot string, s SlotStatus) error {
	body, err := json.Marshal(struct {
		ExpectedReplenishment string   `json:"expectedReplenishmentDate,omitempty"`
		Remaining             *float64 `json:"remainingQuantityInUnit,omitempty"`
		Original              *float64 `json:"originalQuantityInUnit,omitempty"`
		OnHand                *float64 `json:"totalQuantityOnHand,omitempty"`
		LastUse               string   `json:"lastUseDate,omitempty"`
	}{date(s.ExpectedReplenishment), s.Remaining, s.Original, s.OnHand, date(s.LastUse)})
	if err != nil {
		return &Error{Op: OpSlotStatus, Message: "a quantity is no finite number"}
	}
	a, err := c.do(ctx, callSlotStatus, accessToken, body, "slotStatus", slot)
	if err != nil {
		return err
	}
	return a.acknowledged()
}

// DeviceStatus reports when the device was last active, which must not be zero: once a
// day. The time is sent in UTC, cut to the second.
//
// Errors: [*Error]; otherwise [*TransportError]. A report may be repeated.
//
// Source: developer.amazon.com/docs/dash/devicestatus-endpoint.html
func (c *Client) DeviceStatus(ctx context.Context, accessToken string, lastActive time.Time) error {
	if lastActive.IsZero() {
		return &Error{Op: OpDeviceStatus, Message: "the time of the last activity is zero"}
	}
	body, err := json.Marshal(struct {
		LastActive string `json:"mostRecentlyActiveDate"`
	}{date(lastActive)})
	if err != nil {
		return &Error{Op: OpDeviceStatus, Message: "the time of the last activity can't be written"}
	}
	a, err := c.do(ctx, callDeviceStatus, accessToken, body, "deviceStatus")
	if err != nil {
		return err
	}
	return a.acknowledged()
}

// date writes a time as the samples do, "" for zero.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
