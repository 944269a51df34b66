// Package lwa is a client for Login with Amazon (LWA), Amazon's OAuth 2.0 service.
//
// A [Client] speaks for one LWA client, which Amazon's console calls a security
// profile. A literal is enough:
//
//	c := &lwa.Client{
//		ClientID:     "amzn1.application-oa2-client.…",
//		ClientSecret: lwa.NewSecret(os.Getenv("LWA_CLIENT_SECRET")),
//		RedirectURL:  "https://app.example.com/callback",
//		Endpoint:     lwa.EU.Endpoint(),
//	}
//
// # Signing a customer in
//
// [Client.AuthCodeURL] is the page to send the browser to. It always carries a state,
// which binds the answer to this browser, and should carry the [Challenge] of a
// verifier made by [NewVerifier], which binds the code to whoever holds the verifier.
// Amazon sends the browser back to the redirect URL with a code, good once and for
// five minutes, or with an error.
//
// [Client.Exchange] trades the code for a [Token]. A server authenticates with its
// client secret; an app or a device, which can't keep a secret, leaves ClientSecret
// zero and proves itself with the verifier; both together are fine. Where there was
// no secret Amazon may send no refresh token: [Token.RefreshToken] is then zero, and
// the customer has to sign in again once the access token has expired.
//
// # Staying signed in
//
// An access token lives an hour. [Client.Refresh] gets the next one. Amazon may
// or may not send a new refresh token along; the Token that Refresh returns always
// holds the one to keep, and it should be stored before the access token is used.
//
// # Whose token is this?
//
// [Client.TokenInfo] asks Amazon whom an access token was issued for and to which
// client. Compare [TokenInfo.Audience] with your own client ID before you trust a
// token that came from a browser, an app or a device: any application can get
// a valid token of the same customer.
//
// # When it goes wrong
//
// There are three kinds of error. An [*Error] is an answer of Amazon that is no
// success: a refusal with a Code, or something that is no valid answer. A
// [*TransportError] means that no answer arrived, so what the request did is unknown:
// the code of an Exchange may be used up. Anything else says that the client or
// the call is incomplete, and nothing was sent.
//
//	var refused *lwa.Error
//	switch {
//	case errors.As(err, &refused) && refused.Code == lwa.InvalidGrant:
//		// the customer has withdrawn consent, or the code is used up: sign in again
//	case errors.As(err, &refused) && refused.Code == lwa.InvalidClient:
//		// our own client ID or secret is wrong: tell the operator
//	case errors.As(err, &refused) && refused.Temporary():
//		// try a refresh again, not before refused.RetryAfter
//	}
//
// # What this package doesn't do
//
// Every call sends one request: nothing is retried, no redirect is followed, and no
// way of authenticating is tried out, since a code works only once. Nothing is
// refreshed in the background, and nothing is stored.
//
// No secret, code, verifier or token gets into an error, a URL or a log: they are
// kept as [Secret], which nothing prints.
//
// Package lwatest, beside this one, is a server that answers as Amazon does.
package lwa
