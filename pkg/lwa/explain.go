package lwa

import (
	"errors"
	"strings"
)

// Explain says what err means and what to change, in a sentence or two for whoever
// runs the program: "" for nil, for an error that isn't of this package, and for one that says
// itself what to change. It repeats nothing that came from outside.
func Explain(err error) string {
	var held *HeldBackError
	var answer *Error
	var silence *TransportError
	var audience *AudienceError
	var hook *HookError
	switch {
	case errors.As(err, &held):
		return Explain(held.Err)
	case errors.As(err, &hook):
		return adviceHook
	case errors.As(err, &answer):
		return answer.explain()
	case errors.As(err, &silence):
		return silence.why().explain(silence.Op)
	case errors.As(err, &audience):
		return adviceAudience
	}
	for _, known := range plain {
		if errors.Is(err, known.err) {
			return known.advice
		}
	}
	return ""
}

// plain are the errors for which no request was sent.
var plain = []struct {
	err    error
	advice string
}{
	{ExpiredToken, adviceExpiredPair},
	{ErrNoRefreshToken, "There is no refresh token, so nothing can be renewed: have the customer sign in again. " +
		"For some scopes Amazon sends a refresh token only to a client with a secret: for those exchange the code on a server, with the secret."},
	{ErrState, "The answer belongs to another sign-in, or to none: start the sign-in again in this browser, and keep its state until the customer is back."},
	{errNoClientID, "Set the client ID: it is shown in the Web Settings of the security profile and begins with amzn1.application-oa2-client."},
	{errLongClientID, "What is set as the client ID is none: copy it again from the Web Settings of the security profile; it begins with amzn1.application-oa2-client."},
	{errNoClientSecret, "Set the client secret: it is shown in the Web Settings of the security profile."},
	{errNoRedirectURL, "Set the redirect URL, letter by letter one of the Allowed Return URLs in the Web Settings of the security profile."},
	{errNoScope, "Name the scope that the API asks for, such as appstore::apps:readwrite or dash:replenish."},
}

// explain finds the first rule for e, and falls back on its kind.
func (e *Error) explain() string {
	if advice := advise(e, e.Description); advice != "" {
		return advice
	}
	switch {
	case e.StatusCode == 429:
		return adviceThrottled
	case e.StatusCode >= 300 && e.StatusCode < 400:
		return "The host answered with a redirect, which Login with Amazon never does: check the base URL of the API, https://api.amazon.com for one."
	case e.inTrouble():
		return adviceTrouble
	case e.NotJSON:
		return "What answered is not Login with Amazon but something before it, a proxy or a captive portal: check the base URL of the API " +
			"and the proxy settings, then try again."
	case e.StatusCode == 200:
		return "The answer claims success but can't be used, so what answered is hardly Login with Amazon: check the base URL of the API."
	}
	return "Login with Amazon refused with something that its documentation doesn't name: ask Amazon's support, with the request ID of the error."
}

// advise finds the first rule that fits e and text.
func advise(e *Error, text string) string {
	text = strings.ToLower(text)
	for _, r := range rules {
		if r.fits(e, text) {
			return r.advice
		}
	}
	return ""
}

// rule says what to change where everything that it names fits. An empty field fits
// everything.
type rule struct {
	op     string
	code   Code
	param  string
	phrase string // in the text, in lower case
	advice string
}

func (r *rule) fits(e *Error, text string) bool {
	return (r.op == "" || r.op == e.Op) && (r.code == "" || r.code == e.Code) &&
		(r.param == "" || r.param == e.Param) && strings.Contains(text, r.phrase)
}
