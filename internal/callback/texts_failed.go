package callback

import (
	"net/http"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

func badLink() *page {
	return &page{
		status: http.StatusBadRequest, Tone: "warn", Title: "This link is not complete",
		Text:  []string{"Something in the address of this page is missing or doesn't belong there. " + nothingChanged},
		Links: []link{toStart},
	}
}

func expiredLink() *page {
	return &page{
		status: http.StatusBadRequest, Tone: "warn", Title: "This link has expired",
		Text: []string{
			"The link or code that your device showed is good for 15 minutes. " + nothingChanged,
			"Start the connection on your device again. It will show a new one.",
		},
	}
}

func usedLink(p *store.Pairing) *page {
	out := &page{
		status: http.StatusBadRequest, Tone: "warn", Title: "This link has been used",
		Text: []string{
			"A device was connected with it, and it works only once. If that was you, all is well: you can close this page.",
			"To connect the device again, start the connection on it once more. It will show a new link.",
		},
	}
	out.Device = deviceOf(&store.Login{Thing: p.Thing})
	if p.Status == store.PairingRefused {
		out.Text = []string{
			"The device could not be connected with it, because it belongs to another Amazon account. " + nothingChanged,
			"To try again, start the connection on the device once more. It will show a new link.",
		}
	}
	return out
}

func unknownLogin() *page {
	return &page{
		status: http.StatusBadRequest, Tone: "warn", Title: "This sign-in has expired",
		Text: []string{
			"You have ten minutes to sign in, and this page can be opened only during that time. " +
				"If your device was connected, it still is. Opening this page changed nothing.",
		},
		Links: []link{toStart},
	}
}

func otherBrowser() *page {
	return &page{
		status: http.StatusBadRequest, Tone: "warn", Title: "Please sign in again in this browser",
		Text: []string{
			"This sign-in was begun in another browser, or this browser doesn't keep cookies for this site. " + nothingChanged,
			"Start again, and stay in the same browser until you are done.",
		},
		Links: []link{toStart},
	}
}

func stateless() *page {
	return &page{
		status: http.StatusBadRequest, Tone: "bad", Title: "The device could not be connected",
		Text:  []string{"The page or app that sent you here is not set up correctly. " + nothingChanged},
		Links: []link{{Href: "./", Label: "Connect here instead"}},
		Maker: []string{
			"Amazon's answer came without a state, so it can't be told which device it is for. Its code was not used.",
			"Before you send the customer to Amazon, call POST /v1/authorizations with device_model and serial, and send the state of its answer along.",
			`With Amazon's SDK for JavaScript: add "pkce": false to the call, since the SDK can't send its challenge, and set options.state of ` +
				"amazon.Login.authorize to the state. In any other way: open authorize_url as it stands.",
		},
	}
}

// unfinished is for a sign-in that is under way elsewhere, or was cut off.
func unfinished(l *store.Login) *page {
	return &page{
		status: http.StatusBadRequest, Tone: "warn", Title: "This sign-in is not finished",
		Text: []string{
			"It may still be worked on. Look at your device in a minute: if it says that it is connected, all is well.",
			"If not, sign in again. That does no harm.",
		},
		Device: deviceOf(l), Links: next(l),
	}
}

// declined is for an answer of Amazon that is an error, to a login or, nil, to one that
// is not known. Amazon's text is not shown.
func declined(code string, l *store.Login) *page {
	switch lwa.Code(code) {
	case lwa.AccessDenied:
		return &page{
			status: http.StatusBadRequest, Tone: "warn", Title: "The sign-in was cancelled",
			Text: []string{
				"You said no on Amazon's page, or closed that page. " + nothingChanged,
				"If that was a mistake, you can sign in again.",
			},
			Device: deviceOf(l), Links: next(l),
		}
	case lwa.ServerError, lwa.TemporarilyUnavailable:
		return &page{
			status: http.StatusBadGateway, Tone: "bad", Title: "Amazon has a problem right now",
			Text:   []string{"Amazon could not finish your sign-in. " + nothingChanged + " Please try again in a few minutes."},
			Device: deviceOf(l), Links: next(l),
		}
	}
	return &page{
		status: http.StatusBadRequest, Tone: "bad", Title: "Amazon did not accept the request",
		Text: []string{
			"Amazon would not start the sign-in for this device. " + nothingChanged,
			"Please check that the model and the serial number are right. If they are, ask the maker of the device for help.",
		},
		Device: deviceOf(l), Links: next(l),
	}
}

// failures are the pages of the outcomes that did not connect the device.
var failures = map[outcome]page{
	taken: {
		status: http.StatusConflict, Tone: "warn", Title: "This device belongs to another Amazon account",
		Text: []string{
			"It is connected already, to an Amazon account that is not the one you signed in with. " + nothingChanged,
			"Do you have a second Amazon account? Sign out of Amazon, then sign in here with that one.",
			"Did you get the device from someone else? Ask them to remove it from their account, or start the connection on the device itself.",
		},
	},
	unconfirmed: {
		status: http.StatusConflict, Tone: "warn", Title: "We could not check whose device this is",
		Text: []string{
			"It is connected already, and Amazon could not tell us just now whether to your account. " + nothingChanged +
				" If it was connected to your account, it still works.",
			"Please sign in again in a few minutes.",
		},
	},
	refused: {
		status: http.StatusBadRequest, Tone: "bad", Title: "Amazon did not complete the sign-in",
		Text: []string{"Mostly this means that it took too long. " + nothingChanged + " Please sign in again."},
	},
	unknown:     noAnswer,
	unreachable: noAnswer,
	notStored:   notFinished,
	fault:       notFinished,
}

var (
	noAnswer = page{
		status: http.StatusBadGateway, Tone: "bad", Title: "Amazon did not answer",
		Text: []string{
			"We could not finish your sign-in, because no proper answer came from Amazon. Your device was not connected by it.",
			"Please sign in again. That does no harm, and orders nothing.",
		},
	}
	notFinished = page{
		status: http.StatusServiceUnavailable, Tone: "bad", Title: "Something went wrong on our side",
		Text: []string{"Amazon let you in, but we could not connect your device. Please sign in again in a few minutes. That does no harm."},
	}
)

// failed is for a sign-in that did not connect the device.
func failed(o outcome, l *store.Login) *page {
	p, ok := failures[o]
	if !ok {
		p = notFinished
	}
	p.Device, p.Links = deviceOf(l), next(l)
	if o == taken && l.Pairing != "" { // which has ended with it
		p.Links = nil
		p.Text = []string{
			p.Text[0],
			"Do you have a second Amazon account? Start the connection on the device again, and sign in with that one.",
			"Did you get the device from someone else? Ask them to remove it from their account.",
		}
	}
	return &p
}

// earlier is for a sign-in that failed before, and was opened again.
func earlier(o outcome, l *store.Login) *page {
	p := failed(o, l)
	p.status = http.StatusBadRequest
	return p
}

// ourTrouble is for a page that could not be made.
func ourTrouble(status int) *page {
	return &page{
		status: status, Tone: "bad", Title: "Something went wrong on our side",
		Text:  []string{"This is not your fault, and opening this page changed nothing. Please try again in a few minutes."},
		Links: []link{toStart},
	}
}
