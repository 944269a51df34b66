package lwa

const (
	adviceThrottled = "Amazon throttles the requests: use each access token until shortly before it expires, ask once for all callers, and wait before trying again."
	adviceTrouble   = "Amazon is in trouble: try again later, each time after a longer pause."

	adviceExpiredPair = "The code pair has expired or was used: ask for a new one, and show its code to the customer."
	adviceSignInAgain = "Start the sign-in again; a code works once, for five minutes, for the client and the redirect URL that it was issued for, and is not to be sent twice."
	adviceBadClient   = "The client ID or the client secret is wrong: copy both again from the Web Settings of the security profile, without quotes, braces, " +
		"blanks or a line break. The ID begins with amzn1.application-oa2-client., not with amzn1.application. or amzn1.sp.solution.; a secret that was replaced in the console " +
		"has to be replaced where the program reads it, too."
	adviceRedirect = "The redirect URL is not the one of the authorization request, or none of the security profile's: send the same URL both times, " +
		"letter by letter (scheme, port, slash at the end) as under Allowed Return URLs in its Web Settings."
	adviceHook     = "A new token was fetched, but what has to be told of it, a store for instance, failed: repair that. The token is kept in memory, and handed out once it is taken over."
	adviceAudience = "The access token was issued to another application, so it proves nothing about who signed in to yours: " +
		"have the browser, app or device sign in with your own client ID."
	adviceRenew = "The access token has expired, was revoked or is damaged: get a new one with the refresh token or the client credentials, and send it as it is, " +
		"neither percent-encoded nor cut."
)

// rules is the catalogue, the narrow before the broad.
//
// Source: the guides of developer.amazon.com/docs/login-with-amazon, app-submission-api/auth.html,
// developer-docs.amazon.com/sp-api/docs/authorization-errors.
var rules = []rule{
	// The token endpoint.
	{code: InvalidClient, advice: adviceBadClient},
	{op: opAuthorize, code: InvalidScope, advice: "The scope is unknown, or its scope_data is missing: check it letter by letter, single and double colons included; " +
		"dash:replenish and alexa:all need a member of their own in scope_data, and some scopes an approval by Amazon."},
	{phrase: "unknown scope", advice: "The scope is unknown, or its scope_data is missing: check it letter by letter, single and double colons included; dash:replenish and alexa:all need scope_data."},
	{code: InvalidScope, advice: "The client may not ask for this scope: check it letter by letter, single and double colons included, and attach the security profile " +
		"to the API in Amazon's console (Apps & Services > API Access)."},
	{code: UnsupportedGrantType, advice: "The request was not understood: send grant_type with a value that Login with Amazon knows, in a form-encoded body " +
		"with Content-Type application/x-www-form-urlencoded; a JSON or multipart body under that header is refused this way."},
	{code: InvalidRequest, phrase: "content-type is not supported", advice: "The Content-Type is none that the token endpoint takes: send application/x-www-form-urlencoded."},
	{code: InvalidRequest, phrase: "missing a required parameter", advice: "A parameter is missing, which the error names: fill it in; an empty value counts as missing."},
	{code: InvalidRequest, param: "code", advice: "The code is malformed, not just old: take it from the parsed query of the redirect, decoded once and whole; it has 18 to 128 characters."},
	{code: InvalidRequest, phrase: "malformed request", advice: "The body can't be read: send one form-encoded body, each value percent-encoded once."},
	{op: opPoll, code: InvalidGrant, advice: adviceExpiredPair},
	{code: InvalidGrant, param: "redirect_uri", advice: adviceRedirect},
	{code: InvalidGrant, param: "refresh_token", advice: "The refresh token is over: the customer withdrew the consent (Your Account > Manage Login with Amazon), or the token belongs to another client, " +
		"or was damaged where it is stored (quotes, a line break, %7C for |). Drop it, and have the customer sign in again."},
	{op: opRefresh, code: InvalidGrant, advice: "The refresh token is over: drop it, and have the customer sign in again."},
	{code: InvalidGrant, advice: "The code is used, older than five minutes, or another client's. " + adviceSignInAgain},
	{op: opCodePair, code: UnauthorizedClient, advice: "The client may not link devices by code: enable it for the security profile in Amazon's console."},
	{op: opExchange, code: UnauthorizedClient, advice: "The verifier is not the one whose challenge the sign-in began with, or the client may not use this grant: " +
		"keep the verifier with the state, send the S256 challenge, and start the sign-in again."},
	{code: UnauthorizedClient, advice: "The client may not use this grant or this scope, or the token is another client's: check that client ID, secret and token belong together, " +
		"and that the security profile is enabled for the API."},
	{code: ServerError, advice: adviceTrouble},
	{code: TemporarilyUnavailable, advice: adviceTrouble},

	// The authorize page.
	{op: opPoll, code: AccessDenied, advice: "The customer said no: ask for a new code pair only if the customer wants to start again."},
	{code: AccessDenied, advice: "The customer pressed Cancel, or Amazon refused: nothing is to be changed; offer to start again."},
	{code: UnsupportedResponseType, advice: "The response_type has to be code: Amazon switched the implicit grant off."},
	{phrase: "bad-redirect-uri", advice: adviceRedirect},
	{phrase: "whitelisted", advice: adviceRedirect},
	{phrase: "unknown client_id", advice: adviceBadClient},
	{phrase: "md1000", advice: "The application is a draft: add version=beta to the consent URL until it is published."},
	{phrase: "md5101", advice: adviceRedirect},
	{phrase: "md5110", advice: "The redirect URL holds a #: register and send one without a fragment."},
	{phrase: "md9100", advice: "Seller Central can't use the application's settings: check that its OAuth login URI and redirect URI are set for this application."},
	{phrase: "consent_limit_reached", advice: "The application has as many authorizations as Amazon allows it: remove those that aren't used."},

	// The device grant.
	{code: AuthorizationPending, advice: "Nothing is wrong: the customer has not entered the code yet. Ask again after the interval."},
	{code: SlowDown, advice: "Asked too often: double the interval between two polls, and go on."},
	{code: InvalidCodePair, advice: adviceExpiredPair},
	{code: ExpiredToken, advice: adviceExpiredPair},

	// APIs that refuse an access token.
	{phrase: "lwa secret token you provided has expired", advice: "The client secret is past its rotation deadline: rotate it in the console, and put the new one where the program reads it."},
	{phrase: "access token is missing", advice: "The request carries no access token: send it in the header x-amz-access-token (Selling Partner API) or Authorization: Bearer (all others)."},
	{code: InsufficientScope, advice: "The access token is for another scope: have the customer sign in again with the scope that this call needs."},
	{code: InvalidToken, advice: adviceRenew},
	{phrase: "revoked, malformed or invalid", advice: adviceRenew},
	{phrase: "access token you provided has expired", advice: adviceRenew},
	{phrase: "request is not authorized", advice: adviceRenew + " If a new one is refused as well, attach the security profile to the API (Apps & Services > API Access)."},
	{phrase: "invalid token", advice: adviceRenew},
	{phrase: "access to requested resource is denied", advice: "The Selling Partner API refuses this token for this call: get a new one, and check the roles of the application and the seller's authorization."},

	{phrase: "lwa: taking over the new token", advice: adviceHook},
	{phrase: "lwa: the access token was issued to client", advice: adviceAudience},
	{phrase: "too many requests", advice: adviceThrottled},
	{phrase: "quotaexceeded", advice: adviceThrottled},

	{code: InvalidRequest, advice: "A parameter is missing, repeated or malformed: compare the request with Amazon's guide."},
}
