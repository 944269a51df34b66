// Package lwatest is a server that answers as Login with Amazon does, for tests and
// for work without an Amazon account.
//
// # A test in five lines
//
// [NewServer] starts a [Server] that ends with the test. It knows one LWA client and
// two customers, and [Server.Client] is an [lwa.Client] ready to talk to it.
// [Server.Visit] plays the customer's browser:
//
//	srv := lwatest.NewServer(t)
//	client := srv.Client()
//	page, err := client.AuthCodeURL(lwa.AuthRequest{State: "s", Scopes: []string{"profile"}})
//	back, err := srv.Visit(page, lwatest.Visitor{})
//	token, err := client.Exchange(t.Context(), back.Query().Get("code"), lwa.Secret{})
//
// with each err checked, as the example of the package does.
//
// Any other client works as well: give it [Server.URL] in place of
// https://api.amazon.com, and that with /ap/oa in place of
// https://www.amazon.com/ap/oa. For software that is not written in Go, the command
// restock sandbox runs the same server, with the Dash Replenishment Service beside it.
//
// A Server is an [http.Handler] too: [New] makes one that doesn't listen, to be put
// behind any other server, or to be called in memory through [Server.Transport], which
// also works inside a testing/synctest bubble.
//
// # What it serves
//
//	GET  /ap/oa                    asks the customer for consent, sends back a code
//	POST /auth/o2/token            authorization_code, refresh_token, client_credentials, device_code
//	POST /auth/o2/create/codepair  a device code, and a user code to show
//	GET  /us/code                  where the customer enters the user code
//	GET  /auth/o2/tokeninfo        whose an access token is, and for which client
//	GET  /user/profile             what the scopes profile, profile:user_id and postal_code tell
//	GET  /sdk/login1.js            the SDK for JavaScript, which sends its pages' customers here
//	any  /api/appstore/…           an API behind it: 403 "Request is not authorized." without a token that works
//
// Amazon's own pages write some paths with /auth/O2/; both spellings work. HEAD is GET
// without the body. Every answer has an x-amzn-RequestId.
//
// # The grants
//
// A sign-in in the browser ends with authorization_code: with the client secret, with a
// PKCE verifier, with both, or with neither, which gives no refresh token.
//
// With client_credentials a client asks for itself, for any of [Client.OwnScopes]: its
// token begins with Atc|, and there is no refresh token.
//
// A device without a browser asks for a code pair, shows the user code, and polls with
// device_code. That is Amazon's own form, older than RFC 8628 and different: the
// request has response_type=device_code, and a poll brings back both codes and no
// client. [Server.EnterCode] plays the customer.
//
// # The SDK for JavaScript
//
// A page that loads /sdk/login1.js from here, in place of https://api-cdn.amazon.com,
// signs its customers in here: amazon.Login.authorize with a window of its own or
// without, to a URL or a function, with pkce and retrieveToken. A code that is handed
// to a function has the page's origin as its redirect URL. Amazon documents nothing of
// what passes between its SDK and its pages: that is ours.
//
// # What it is strict about
//
// Codes work once, for five minutes, for one client and one redirect URL. A code asked
// for with a PKCE challenge needs its verifier. Parameters are checked in a fixed
// order and refused with Amazon's status, code and text; clients and return URLs that
// are not registered get an error page and no redirect. What is not known of Amazon is
// a field of [Switches] instead of a guess; FIDELITY.md beside this file says how each
// point is known.
//
// # Time
//
// All times come from a [Clock] that can be moved on, so that codes and tokens expire
// while a test waits for nothing.
//
// # Trouble
//
// [Server.Script] queues faults: slow or missing answers, dropped before or after the
// work was done, broken off, throttled, and more. [Server.Revoke] is the customer who
// withdraws consent; [Server.RotateSecret] is the operator who makes a new secret.
//
// # What happened
//
// [Server.Journal] lists what was asked and how it was answered, without any secret,
// code or token. [Server.Calls] counts. [Server.Lookup] leads from an access token to
// its grant, for servers that stand in for the APIs behind it, and
// [Server.RequireToken] is a start for one.
//
// # Keeping it
//
// With [Options.Save] every change is handed over before the answer that depends on it
// leaves, and [Server.Restore] brings it back: what a client was told survives a
// killed process. Tokens, codes and secrets are kept and saved as hashes only.
package lwatest
