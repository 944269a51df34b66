package lwa

import "strings"

// Code is what LWA refuses with. Each constant is an error value as well:
//
//	errors.Is(err, lwa.InvalidGrant)
//
// is true for every [*Error] with that Code, however it is wrapped. LWA's own spelling
// varies (ServerError, servererror); these are the normalised ones.
type Code string

// Error implements error.
func (c Code) Error() string { return string(c) }

// The codes of the token endpoint.
//
// Source: RFC 6749 §5.2; developer.amazon.com/docs/login-with-amazon
const (
	InvalidClient          Code = "invalid_client"          // our client ID or secret is wrong
	InvalidGrant           Code = "invalid_grant"           // the code or refresh token is used up, revoked or another client's
	InvalidRequest         Code = "invalid_request"         // a parameter is missing or malformed
	InvalidScope           Code = "invalid_scope"           // the client may not ask for this scope
	UnauthorizedClient     Code = "unauthorized_client"     // the client may not do this, or the verifier is wrong
	UnsupportedGrantType   Code = "unsupported_grant_type"  // the request was not understood
	ServerError            Code = "server_error"            // trouble at Amazon
	TemporarilyUnavailable Code = "temporarily_unavailable" // trouble at Amazon
)

// The codes of an authorize page's redirect, beside those above.
//
// Source: RFC 6749 §4.1.2.1; developer.amazon.com/docs/login-with-amazon/javascript-sdk-reference.html
const (
	AccessDenied            Code = "access_denied"             // the customer or Amazon said no
	UnsupportedResponseType Code = "unsupported_response_type" // response_type is not code
)

// The codes of the device grant, see [Client.PollCodePair].
//
// Source: developer.amazon.com/docs/login-with-amazon/retrieve-token-other-platforms-cbl-docs.html
const (
	AuthorizationPending Code = "authorization_pending" // the customer has not decided yet: ask again
	SlowDown             Code = "slow_down"             // asked too often: ask again, later
	InvalidCodePair      Code = "invalid_code_pair"     // the code pair is wrong, has expired or was used
	ExpiredToken         Code = "expired_token"         // the code pair has expired
)

// The codes of tokeninfo and profile, and of an API that refuses an access token.
const (
	InvalidToken      Code = "invalid_token"      // the access token has expired or never was one
	InsufficientScope Code = "insufficient_scope" // the access token is for something else
)

// nature says what an answer with a code means for the next attempt.
type nature int

const (
	refusal nature = iota + 1 // the same request would get the same answer
	pending                   // nothing is wrong: ask again
	trouble                   // Amazon's own: ask again, later
)

var natures = map[Code]nature{
	InvalidClient: refusal, InvalidGrant: refusal, InvalidRequest: refusal, InvalidScope: refusal,
	UnauthorizedClient: refusal, UnsupportedGrantType: refusal,
	AccessDenied: refusal, UnsupportedResponseType: refusal,
	InvalidCodePair: refusal, ExpiredToken: refusal,
	InvalidToken: refusal, InsufficientScope: refusal,
	AuthorizationPending: pending, SlowDown: pending,
	ServerError: trouble, TemporarilyUnavailable: trouble,
}

// normalise returns the constant for a code as LWA spells it, "" for an unknown one.
func normalise(raw string) Code {
	code := Code(strings.ToLower(raw))
	if code == "servererror" {
		code = ServerError
	}
	if natures[code] == 0 {
		return ""
	}
	return code
}
