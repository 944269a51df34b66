// Package lwa is a client for Login with Amazon (LWA), Amazon's OAuth 2.0 service: for
// customers who sign in, for devices without a browser, and for the tokens of Amazon's
// own APIs.
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
// ID and secret stand in the Web Settings of the security profile. The ID begins with
// amzn1.application-oa2-client., neither with amzn1.application. nor with
// amzn1.sp.solution.
//
// # Which grant?
//
//	who the token is for                    call                                  secret
//	a customer with a browser               AuthCodeURL, ReadRedirect, Exchange   yes, or PKCE, or both
//	a customer of a device without one      CreateCodePair, AwaitCodePair         no
//	the same, an hour later                 Refresh                               as at first
//	the application itself                  ClientCredentials                     yes
//
// Mostly they are not called one by one: a [TokenSource] keeps a token fresh for all of
// a program, and a [Transport] adds it to the requests of a [net/http.Client].
//
// # Signing a customer in
//
// [Client.AuthCodeURL] is the page to send the browser to. It always carries a state,
// made by [NewState], which binds the answer to this browser, and should carry the [Challenge]
// of a verifier made by [NewVerifier], which binds the code to whoever holds the verifier.
// Amazon sends the browser back to the redirect URL with a code, good once and for
// five minutes, or with an error; [ReadRedirect] compares the state and reads the rest. Where
// the client ID or the redirect URL is wrong, Amazon shows a page and sends nobody back. The
// example of this package is a whole site that does so.
//
// [Client.Exchange] trades the code for a [Token]. A server authenticates with its
// client secret; an app or a device, which can't keep a secret, leaves ClientSecret
// zero and proves itself with the verifier; both together are fine. With the secret Amazon
// sends a refresh token. With the verifier alone it does so for dash:replenish and others,
// and for some scopes, those of Data Portability for one, it sends none:
// [Token.Refreshable] tells, and the customer has to sign in again once the access token has
// expired.
//
// A device whose customer signs in by a companion app makes the verifier, and gives the
// app the challenge alone; the code travels back to it, and it exchanges it by itself.
//
// Some scopes need scope_data, a JSON object beside them: dash:replenish wants device_model
// and serial. Customers may untick what is marked as voluntary: what they did agree to is
// in [AuthResponse.Scopes].
//
// # Signing in on a device without a browser
//
// [Client.CreateCodePair] gets a code to show and the page where to enter it;
// [Client.AwaitCodePair] waits until the customer has done so. This is Amazon's own form,
// older than RFC 8628 and different: libraries for that one don't work with it.
//
// # Tokens of the application itself
//
// [Client.ClientCredentials] gets one, for the App Submission API with the scope
// [ScopeAppSubmission], for the Appstore's reporting with
// [ScopeAppstoreReporting], and so on. Its security profile has to be attached
// to the API in Amazon's console, under Apps & Services > API Access.
//
//	api := &http.Client{Transport: &lwa.Transport{
//		Source: c.ClientCredentialsSource(lwa.ScopeAppSubmission),
//	}}
//	resp, err := api.Get("https://developer.amazon.com/api/appstore/v1/applications")
//
// # Staying signed in
//
// An access token lives an hour, and should be used until shortly before its end: people
// who ask for one at every call report that Amazon then refuses some of the calls, though
// it documents no limit. [Client.Refresh] gets the next one. Amazon may
// or may not send a new refresh token along; the Token that Refresh returns always
// holds the one to keep, and it should be stored before the access token is used.
//
// A [TokenSource] does all that: one request for all who wait, whoever of them gives up;
// renewal in the background while the old token still serves; a hook that knows a new
// token before anybody uses it; and quiet for a while after a refusal.
//
// # Whose token is this?
//
// [Client.VerifyToken] asks Amazon whom an access token was issued for, and refuses it
// unless that was to your client. Call it before you trust a token that came from
// a browser, an app or a device: any application can get a valid token of the same
// customer. [Client.Profile] tells the customer's name, email and postal code, as far as
// the customer agreed to.
//
// # Regions
//
// [Region.Endpoint] has the hosts of [NA], [EU] and [FE], [Marketplace.Endpoint] those
// for a country's shop. Every call goes to the Client's Endpoint. Applications and tokens are
// tied to no region: a token of one can be refreshed and checked in another.
//
// # When it goes wrong
//
// A call has three kinds of error. An [*Error] is an answer of Amazon that is no
// success: a refusal with a [Code], or something that is no valid answer, which is
// [ErrUnusable]. A [*TransportError] means that no answer arrived, so what the request did
// is unknown: the code of an Exchange may be used up. Anything else says that the client
// or the call is incomplete, and nothing was sent. Beside them VerifyToken has an
// [*AudienceError], ReadRedirect [ErrState], and a TokenSource [*HeldBackError] and [*HookError].
//
// Codes are errors, too:
//
//	switch {
//	case errors.Is(err, lwa.InvalidGrant):
//		// the customer has withdrawn consent, or the code is used up: sign in again
//	case errors.Is(err, lwa.InvalidClient):
//		// our own client ID or secret is wrong: tell the operator
//	}
//
// [Retry] says whether the same call may be made again, and when. [Explain] says what to
// change, in a sentence or two for the operator; [ExplainText] does so for an error that
// was pasted from a log.
//
// # What this package doesn't do
//
// Every call of a Client but AwaitCodePair sends one request: nothing is retried, no redirect is
// followed, and no way of authenticating is tried out, since a code works only once. (Where a
// connection that was kept turns out to be closed, net/http sends a request again on a new one;
// that of an Exchange only if nothing of it was sent, or if the server says that it did not take
// it.) Nothing is stored. LWA has no way to revoke a token: to log a customer out, forget the
// tokens.
//
// No secret, code, verifier or token gets into an error, a URL or a log: what lives longer
// than a sign-in is kept as [Secret], which nothing prints.
//
// Package lwatest, beside this one, is a server that answers as Amazon does; the command
// restock sandbox runs it for software that is not written in Go. Package lwaoauth2 takes
// tokens to golang.org/x/oauth2 and back. Package flight is what a [TokenSource] shares its
// calls by.
package lwa
