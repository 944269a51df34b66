package replenish

import (
	"time"

	"github.com/restock-dev/restock/internal/message"
)

// ReadQueued reads the body of a message of the retry queue or of its dead letters, in any
// of the forms that [Handler.Queue] takes. The time is when the message was received, zero
// where the body doesn't say. The event has that time, too, where it is known.
//
// Errors repeat nothing of the body.
func ReadQueued(body string) (message.RuleEvent, time.Time, error) {
	e, at, err := readQueued(body)
	if t := time.Time(at); err == nil && !t.IsZero() {
		e.ReceivedAt = t.UnixMilli()
	}
	return e, time.Time(at), err
}

// MaxAgeOf returns the age from which on a message of an action is refused, whoever hands it
// over again: [MaxAge] for a press, which is told its device, and for a device status, which is
// refused before that age, too, once it is overtaken; an hour for all else.
func MaxAgeOf(action string) time.Duration {
	if action == message.ActionReplenish || action == message.ActionDeviceStatus {
		return MaxAge
	}
	return maxReportAge
}
