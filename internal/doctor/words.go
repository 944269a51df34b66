package doctor

import (
	"regexp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
)

// problems are the codes of answers over HTTPS.
var problems = map[string]string{
	web.CodeBadBody:         "The body of the request is not the one JSON object in UTF-8 that is asked for: send it as the API's description says.",
	web.CodeBadField:        "A member, parameter or header is missing or malformed: the problem's \"field\" names it, its \"detail\" says what it must hold.",
	web.CodeUnauthorized:    "The device key is missing, malformed or not known: send the key of the device's newest pairing as Authorization: Bearer <device_key>, or pair again.",
	web.CodeNotPairedYet:    "The key's pairing is not finished: let the customer finish at the pairing's \"url\", and ask GET /v1/pairings/<id> until it says paired.",
	web.CodeNotFound:        "There is no such path: check the address, and whether the redirect URL and API belong to the same stack.",
	web.CodeMethod:          "The path is there, with another method: see the header Allow of the answer.",
	web.CodeTaken:           "The device belongs to another customer, and nothing was changed: its owner deregisters it, or the pairing is started with its present device key.",
	web.CodeIDReused:        "The id was used for another slot before: give each press an id of its own.",
	web.CodeTooLarge:        "The body is over 64 KiB: no message of a device needs a tenth of it.",
	web.CodeNotJSON:         "The body is not declared as JSON: send Content-Type: application/json.",
	web.CodeRefused:         "DRS refused the request and would again: look at the log entry of the same time for its sentence.",
	web.CodeTooManyRequests: "Too many calls came from one address: wait for Retry-After, and back off.",
	web.CodeInternal:        "A fault of Restock, never of the request: look at the log entry of the same time.",
	web.CodeExchangeUnknown: "Login with Amazon gave no clear answer, and the code may be used up: have the customer sign in again. Don't send the code again.",
	web.CodeUnavailable:     "Amazon, the table or our own secrets can't be reached for now: send the same again after Retry-After; if it stays, run restock doctor.",
}

// details are detail codes of a result.
var details = map[string]string{
	drs.StandardOrderPlaced: "A real order was accepted. Should payment, address or stock be in the way, the customer has 72 hours to help: notifications tell.",
	drs.TestOrderPlaced:     "An order of a test device: nothing is charged or shipped. Pair without RESTOCK_TEST_DEVICES for real orders.",
	drs.OrderInProgress:     "An order for the slot is still open, so nothing new was ordered: wait until it is delivered or cancelled.",

	replenish.CodeBadMessage:       "The message is not valid: a press is {\"slot\":\"<name>\"} with an optional \"id\" of 1 to 128 printable ASCII characters.",
	replenish.CodeIDReused:         "The id was used for another slot before: give each press an id of its own.",
	replenish.CodeInvalidToken:     "DRS does not take even a token that was just renewed: the device was deregistered at Amazon, or the token is for another DRS. Check RESTOCK_DRS_URL and the region, then pair the device again.",
	replenish.CodeRefused:          "DRS refused the press and would again: look at the log entry of the press for its sentence.",
	replenish.CodeLWAUnexpected:    "Login with Amazon answered with something that fits nothing known: check RESTOCK_LWA_API_URL and what stands before it, such as a proxy.",
	replenish.CodeOutcomeUnknown:   "The answer of a call that may have ordered was lost: nothing is ordered a second time; DRS's notification or order status decides.",
	replenish.CodeTooOld:           "The press came a day or more after it was made, and was not ordered: look at what held it up, such as a dead letter that was put back late.",
	replenish.CodePairedAnew:       "The press was made while another customer had the device, and was not ordered on the account of the one who has it now: nothing is to be done.",
	replenish.CodeNotified:         "DRS notified the order whose answer had been lost: it is ordered, nothing is to be done.",
	replenish.CodeUnderWay:         "The first press with this id is being worked on: its result follows.",
	replenish.CodeDRSUnavailable:   "DRS can't be reached, or is in trouble: it is tried on without the device. If it stays, check RESTOCK_DRS_URL with restock doctor.",
	replenish.CodeLWAUnavailable:   "Login with Amazon gives no access token for now: it is tried on without the device. If it stays, check RESTOCK_LWA_API_URL with restock doctor.",
	replenish.CodeStoreUnavailable: "The table or data file can't be reached: look at RESTOCK_TABLE and the function's permissions, or at the disk.",
	replenish.CodeSecrets:          "Our own client secret or key ring does not work: run restock doctor, which tells which. No device is at fault.",
	replenish.CodeInternal:         "A fault of Restock: look at the log entry of the press. It is tried on without the device.",
}

// outcomes are those of a result.
var outcomes = map[string]string{
	string(message.Ordered):       "The order is placed.",
	string(message.TestOrdered):   "A test order is placed, nothing is charged or shipped: the device was paired with RESTOCK_TEST_DEVICES.",
	string(message.InProgress):    "An order for this slot is still open, nothing new was ordered: wait until it is delivered or cancelled.",
	string(message.NotSubscribed): "The customer has not subscribed to this slot: they do that on Amazon's page when pairing, or in their Amazon account.",
	string(message.UnknownSlot):   "The device has no such slot: use a name of the slots in the DRS portal, as GET /v1/registration lists them.",
	string(message.NotRegistered): "The device is not paired with a customer: pair it.",
	string(message.GrantEnded):    "The customer's consent has ended: pair the device again.",
	string(message.Retrying):      "A promise: it is tried on without the device, and the final result follows.",
	string(message.Failed):        "The press could not be done, and is not tried again: its detail_code says why.",
}

// reasons are those of a registration that is no longer active.
var reasons = map[string]string{
	store.ReasonConsentWithdrawn: "Login with Amazon refused the refresh token: the customer withdrew consent, or the token belongs to another client ID. Pair the device again; if it is many devices at once, check the client ID.",
	store.ReasonNoRefreshToken:   "Amazon gave a grant for an hour only, as it may where no client secret came with the exchange: pair again, best through Restock's own page, which sends one.",
	store.ReasonByOperator:       "An operator freed the device for another customer: pair it anew.",
	store.ReasonByAmazon:         "The device was deregistered at Amazon, in the customer's account or the DRS portal: pair it again.",
}

// statuses are those of a registration, where no outcome says it.
var statuses = map[string]string{
	string(store.Active):       "The device is paired and its grant works.",
	string(store.Deregistered): "The device was deregistered through the API: pair it again.",
}

// sentences are what is known by its words, not by a code of ours.
//
// A general one says nothing where a line has said something special of DRS before it.
var sentences = []struct {
	in      *regexp.Regexp
	of      string
	text    string
	general bool
}{
	{
		in: regexp.MustCompile(`\bmessage["']?\s*[:=]\s*["']?Invalid token|InvalidTokenException|drs: access token not accepted`), of: ofDRS,
		text: "DRS does not take the access token: it has expired, belongs to another device, or the device was deregistered. Restock renews it once and repeats the call; " +
			"if it stays, pair the device again, and check that RESTOCK_LWA_API_URL and RESTOCK_DRS_URL belong together.",
	},
	{
		in: regexp.MustCompile(`is unsubscribed\.|drs: slot is not subscribed`), of: ofDRS,
		text: "The customer has not subscribed to this slot, so DRS orders nothing: they subscribe on Amazon's page when pairing, or in their Amazon account.",
	},
	{
		in: regexp.MustCompile(`drs: (replenish|slotStatus|cancelTestOrders): 404|drs: slot does not exist`), of: ofDRS,
		text: "DRS knows no slot of this name: use one of the slots that the DRS portal defines for the device model, to the letter.",
	},
	{
		in: regexp.MustCompile(`drs: \w+: 429|drs: too many requests`), of: ofDRS,
		text: "DRS has had too many calls: they are repeated later. If it stays, look for a device that reports too often.",
	},
	{
		in: regexp.MustCompile(`drs: \w+: 5\d\d|drs: server fault`), of: ofDRS,
		text: "DRS is in trouble: presses are tried on without the device. If it stays for hours, ask Amazon's support with the request ID.",
	},
	{
		in: regexp.MustCompile(`drs: \w+: 4\d\d|drs: request refused`), of: ofDRS,
		text:    "DRS refuses the request and would again: check device model, slot and the API version in the sentence that it sends along.",
		general: true,
	},
	{
		in: regexp.MustCompile(`sealed text does not open|key ring (does not hold|has no) key|is not in the key ring`), of: ofRestock,
		text: "A stored token does not open with the key ring: an entry was removed from it, or it is the ring of another stack. Put the entry back; restock keys lists what is there.",
	},
	{
		in: regexp.MustCompile(`RESTOCK_\w+ is not set`), of: ofRestock,
		text: "A variable that is needed is not set: set it for the function or the command, then start it again.",
	},
}
