package drs

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The operations that an [Error] names.
const (
	OpReplenish        = "replenish"
	OpSlotStatus       = "slotStatus"
	OpDeviceStatus     = "deviceStatus"
	OpSubscriptionInfo = "subscriptionInfo"
	OpOrderInfo        = "getOrderInfo"
	OpDeregister       = "deregister"
	OpCancelTestOrders = "cancelTestOrders"
)

// Errors for [errors.Is]. Every [*Error] is exactly one of them.
var (
	// ErrInvalidToken: 400 {"message":"Invalid token"}. The access token has expired,
	// or the device was deregistered.
	ErrInvalidToken = errors.New("drs: access token not accepted")
	// ErrUnsubscribed: "Unable to place order - slot : <…> is unsubscribed." The
	// status is 400, as far as is known.
	ErrUnsubscribed = errors.New("drs: slot is not subscribed")
	// ErrUnknownSlot: 404 on replenish and the other calls that name a slot.
	ErrUnknownSlot = errors.New("drs: slot does not exist")
	// ErrBadRequest: any other 4xx but 429, or a call that was not sent because it
	// never could succeed.
	ErrBadRequest = errors.New("drs: request refused")
	// ErrThrottled: 429. Amazon documents none.
	ErrThrottled = errors.New("drs: too many requests")
	// ErrServer: 5xx.
	ErrServer = errors.New("drs: server fault")
	// ErrUnexpected: a redirect, or a success that is no valid answer. A replenish
	// may have ordered all the same.
	ErrUnexpected = errors.New("drs: answer fits nothing known")
)

// Error is an answer of DRS that is no success, or a call that was not sent. None of
// its fields holds the access token.
type Error struct {
	// Op is the call, one of the Op constants.
	Op string
	// StatusCode is the HTTP status; 0: nothing was sent.
	StatusCode int
	// Type is the exception's name from X-Amzn-ErrorType, InvalidTokenException for
	// instance; may be empty.
	Type string
	// Message is DRS's own sentence, or what is wrong with the call or the answer: at
	// most 512 bytes, printable, for people.
	Message string
	// RequestID is what Amazon's support asks for; may be empty.
	RequestID string
	// RetryAfter is how long DRS asks to wait, at most an hour; 0: it doesn't say.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("drs: " + e.Op)
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": %d", e.StatusCode)
	}
	if e.Type != "" {
		b.WriteString(" " + e.Type)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Is matches the one Err value that the error is.
func (e *Error) Is(target error) bool { return target == e.kind() }

// Temporary reports whether the same call may succeed later: after a 429, a 408, a
// 5xx, and an answer that fits nothing known.
func (e *Error) Temporary() bool {
	return e.Is(ErrThrottled) || e.Is(ErrServer) || e.Is(ErrUnexpected) || e.StatusCode == http.StatusRequestTimeout
}

func (e *Error) kind() error {
	code := e.StatusCode
	switch {
	case code == 0:
		return ErrBadRequest
	case code == http.StatusTooManyRequests:
		return ErrThrottled
	case code >= 400 && strings.HasSuffix(e.Message, " is unsubscribed."):
		return ErrUnsubscribed
	case code >= 500 && code < 600:
		return ErrServer
	case code < 400 || code >= 600:
		return ErrUnexpected
	case e.Type == "InvalidTokenException" || e.Message == "Invalid token":
		return ErrInvalidToken
	case code == http.StatusNotFound && e.namesSlot():
		return ErrUnknownSlot
	}
	return ErrBadRequest
}

func (e *Error) namesSlot() bool {
	return e.Op == OpReplenish || e.Op == OpSlotStatus || e.Op == OpCancelTestOrders
}
