package replenish

import (
	"errors"
	"strings"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
)

// Detail codes that are ours, in the form of DRS's own. With grant_ended the detail code
// is the reason of the registration in the same form: CONSENT_WITHDRAWN, for instance.
const (
	CodeBadMessage     = "BAD_MESSAGE"           // failed: no valid message
	CodeIDReused       = "ID_REUSED"             // failed: the id stands for another slot
	CodeInvalidToken   = "INVALID_TOKEN"         // failed: DRS takes not even a fresh token
	CodeRefused        = "DRS_REFUSED"           // failed: DRS refuses it, and would again
	CodeLWAUnexpected  = "LWA_UNEXPECTED"        // failed: LWA's answer fits nothing known
	CodeOutcomeUnknown = "ORDER_OUTCOME_UNKNOWN" // a call whose answer got lost may have ordered
	CodeTooOld         = "TOO_OLD"               // failed: it came MaxAge or more after it was sent
	CodePairedAnew     = "PAIRED_ANEW"           // failed: the device is another customer's by now
	CodeNotified       = "ORDER_NOTIFIED"        // ordered: DRS notified the order whose answer got lost

	CodeUnderWay         = "UNDER_WAY"         // retrying: the first one with this id is being worked on
	CodeDRSUnavailable   = "DRS_UNAVAILABLE"   // retrying: DRS can't be reached, or is in trouble
	CodeLWAUnavailable   = "LWA_UNAVAILABLE"   // retrying: LWA gives no access token for now
	CodeStoreUnavailable = "STORE_UNAVAILABLE" // retrying: our table can't be reached
	CodeSecrets          = "SECRETS_TROUBLE"   // retrying: our own secrets don't work, or can't be read; an operator has to see to it
	CodeInternal         = "INTERNAL"          // retrying: a fault of ours
)

// verdict is what came of one attempt.
type verdict struct {
	outcome  message.Outcome
	code     string
	instance string
	cause    error // why there is no order; for the log
}

// answered reads a success of DRS. doubtful: an earlier call may have ordered.
func answered(r *drs.ReplenishResult, doubtful bool) verdict {
	v := verdict{code: r.DetailCode, instance: r.EventInstanceID}
	switch {
	case r.DetailCode == drs.StandardOrderPlaced:
		v.outcome = message.Ordered
	case r.DetailCode == drs.TestOrderPlaced:
		v.outcome = message.TestOrdered
	case r.DetailCode == drs.OrderInProgress && doubtful:
		v.outcome = message.Ordered
	case r.DetailCode == drs.OrderInProgress:
		v.outcome = message.InProgress
	default:
		v.outcome = message.Failed
	}
	return v
}

// refusals says what an error means. Those of the Keeper come first: the others are DRS's.
var refusals = []struct {
	is      func(error) bool
	outcome message.Outcome
	code    string
}{
	{matches(tokens.ErrNotRegistered), message.NotRegistered, ""},
	{matches(errOthers), message.Failed, CodePairedAnew},
	{is[*tokens.UnexpectedError], message.Failed, CodeLWAUnexpected},
	{secretsTrouble, message.Retrying, CodeSecrets},
	{matches(store.ErrUnavailable), message.Retrying, CodeStoreUnavailable}, // of the Keeper too
	{is[*tokens.UnavailableError], message.Retrying, CodeLWAUnavailable},
	{matches(drs.ErrUnsubscribed), message.NotSubscribed, ""},
	{matches(drs.ErrUnknownSlot), message.UnknownSlot, ""},
	{matches(drs.ErrInvalidToken), message.Failed, CodeInvalidToken},
	{refusedByDRS, message.Failed, CodeRefused},
	{fromDRS, message.Retrying, CodeDRSUnavailable},
}

func refused(err error) verdict {
	if ended, ok := errors.AsType[*tokens.GrantEndedError](err); ok {
		return verdict{outcome: message.GrantEnded, code: strings.ToUpper(ended.Reason), cause: err}
	}
	for _, r := range refusals {
		if r.is(err) {
			return verdict{outcome: r.outcome, code: r.code, cause: err}
		}
	}
	return verdict{outcome: message.Retrying, code: CodeInternal, cause: err}
}

func secretsTrouble(err error) bool {
	return is[*tokens.CredentialsError](err) || is[*tokens.SealError](err) || is[*tokens.SecretsError](err)
}

// refusedByDRS reports whether DRS said no, for good, for a reason that isn't known.
func refusedByDRS(err error) bool {
	e, ok := errors.AsType[*drs.Error](err)
	return ok && errors.Is(e, drs.ErrBadRequest) && !e.Temporary()
}

func fromDRS(err error) bool {
	return is[*drs.Error](err) || is[*drs.TransportError](err) || is[*unsentError](err)
}

func matches(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// is reports whether err is or wraps a T.
func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
