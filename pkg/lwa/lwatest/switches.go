package lwatest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

// Consent says what becomes of a customer who is to agree.
type Consent string

// The ways to consent.
const (
	Ask   Consent = "ask"   // a page asks
	Allow Consent = "allow" // the customer has agreed at once; no page
	Deny  Consent = "deny"  // the customer has refused at once; no page
)

// Rotation says what a refresh does to the refresh token.
type Rotation string

// The rotations.
const (
	Same        Rotation = "same"         // the same one comes back
	NewOldLives Rotation = "new"          // a new one comes, the old one works too
	NewOldDies  Rotation = "new_old_dies" // a new one comes, the old one is dead
	Withheld    Rotation = "withheld"     // none comes, the old one stays
)

// StateEcho says what comes back as state.
type StateEcho string

// The echoes.
const (
	EchoState  StateEcho = "echo"
	OmitState  StateEcho = "omit"
	AlterState StateEcho = "alter"
)

// UserCodes says what codes are made of that customers type in.
type UserCodes string

// The user codes.
const (
	Letters UserCodes = "letters" // six of A to Z
	Digits  UserCodes = "digits"  // five of 0 to 9
)

// Switches are what can be set about the server's behaviour, mostly because it isn't
// known how Amazon behaves. There are no hidden defaults: start from [DefaultSwitches]
// or [Server.Switches], and decode JSON over one of these.
type Switches struct {
	// Consent is what becomes of a customer at the authorize page, and of one whose
	// device has asked for a code pair; default ask.
	Consent Consent `json:"consent"`
	// Customer is the user ID who is signed in; "": the first customer.
	Customer string `json:"customer"`
	// DropVoluntary has the customer untick every scope that the request calls
	// voluntary, when no page asks.
	DropVoluntary bool `json:"drop_voluntary"`
	// State is what comes back as state; default echo.
	State StateEcho `json:"state"`

	// CodeLife is 5m, AccessLife 1h.
	CodeLife   Duration `json:"code_life"`
	AccessLife Duration `json:"access_life"`
	// RefreshLife is how long refresh tokens work, from the consent on: 365 days at the
	// Advertising API. 0s, the default: until the grant ends.
	RefreshLife Duration `json:"refresh_life"`
	// OneAccessToken ends a grant's earlier access tokens when it gets another; false.
	OneAccessToken bool `json:"one_access_token"`
	// SecretOverlap is how long a rotated client secret still works; 168h.
	SecretOverlap Duration `json:"secret_overlap"`

	// RefreshRotation is what a refresh does to the refresh token; default same.
	RefreshRotation Rotation `json:"refresh_rotation"`
	// RefreshTokenWithoutSecret gives a refresh token for a verifier alone. Default
	// true, as the Dash pages say; the Data Portability page says false.
	RefreshTokenWithoutSecret bool `json:"refresh_token_without_secret"`
	// ExchangeWithoutProof lets a code be exchanged with neither secret nor verifier,
	// for an access token alone. Default true, as the Data Portability page says.
	ExchangeWithoutProof bool `json:"exchange_without_proof"`

	// CodeReuseRevokes ends the grant when its code is brought again; default false.
	CodeReuseRevokes bool `json:"code_reuse_revokes"`
	// FailedExchangeKeepsCode leaves a code alive when the redirect URL or the verifier
	// was wrong; default false.
	FailedExchangeKeepsCode bool `json:"failed_exchange_keeps_code"`
	// RedirectURLOptional lets an exchange leave redirect_uri out; default false.
	RedirectURLOptional bool `json:"redirect_url_optional"`

	// VerifierError is the error for a wrong or missing verifier: unauthorized_client
	// (default) or invalid_grant.
	VerifierError string `json:"verifier_error"`
	// VerifierOptionalWithSecret lets the secret stand in for a missing verifier; false.
	VerifierOptionalWithSecret bool `json:"verifier_optional_with_secret"`
	// StrayVerifier takes a verifier where no challenge was sent; default false.
	StrayVerifier bool `json:"stray_verifier"`
	// PlainChallenge takes the challenge method plain; default true.
	PlainChallenge bool `json:"plain_challenge"`
	// AnyVerifierLength takes verifiers of other lengths than 43 to 128; default false.
	AnyVerifierLength bool `json:"any_verifier_length"`
	// UnknownScopePage shows a page in place of the redirect with invalid_scope, as has
	// been seen with some clients; default false.
	UnknownScopePage bool `json:"unknown_scope_page"`

	// CodePairLife is how long a device code and its user code work, 10m; PollInterval
	// is how long the device is told to wait between polls, 30s.
	CodePairLife Duration `json:"code_pair_life"`
	PollInterval Duration `json:"poll_interval"`
	// SlowDown refuses a poll that comes sooner than that with slow_down; default true.
	SlowDown bool `json:"slow_down"`
	// UserCodes are six letters (default, as Alexa's devices show them) or five digits
	// (as Amazon's page prints them).
	UserCodes UserCodes `json:"user_codes"`
	// ExpiredPairError is the error of a poll after that: invalid_code_pair (default) or
	// expired_token. DeniedPairError is the one after the customer has refused:
	// access_denied (default) or invalid_code_pair.
	ExpiredPairError string `json:"expired_pair_error"`
	DeniedPairError  string `json:"denied_pair_error"`

	// ClientTokenInfoRefused answers tokeninfo about a client's own token with
	// invalid_token. Default false: it is answered, without a user_id.
	ClientTokenInfoRefused bool `json:"client_token_info_refused"`

	// BasicAuth takes client credentials in the Authorization header; default true.
	BasicAuth bool `json:"basic_auth"`
	// BasicEncoded reads those percent-encoded, as RFC 6749 §2.3.1 has them. Default false:
	// as they are, as curl -u sends them.
	BasicEncoded bool `json:"basic_encoded"`
	// Preflight lets pages of allowed origins send tokens in headers, for which browsers
	// ask leave by OPTIONS first. Default false: 405.
	Preflight bool `json:"preflight"`
	// JSONBodies takes token requests as JSON; default true.
	JSONBodies bool `json:"json_bodies"`
	// JSONScopeLists takes the scope of such a request as a list, too; default false.
	JSONScopeLists bool `json:"json_scope_lists"`
	// RepeatedParams takes the first of a parameter that is sent more than once; default
	// false: invalid_request.
	RepeatedParams bool `json:"repeated_params"`

	// TokenType is bearer (default) or Bearer.
	TokenType string `json:"token_type"`
	// ExpiresInText writes expires_in as text; default false.
	ExpiresInText bool `json:"expires_in_text"`
	// ExpiresInLess is taken off the expires_in that is told; default 0s.
	ExpiresInLess Duration `json:"expires_in_less"`
	// LongTokens makes tokens of 2048 bytes, the most there can be; default false.
	LongTokens bool `json:"long_tokens"`
	// DocumentedContentType writes "application/json;charset UTF-8", as Amazon's page
	// prints it; default false.
	DocumentedContentType bool `json:"documented_content_type"`
	// ScopeAlways tells the granted scope in every token answer. Default false: with
	// client_credentials only.
	ScopeAlways bool `json:"scope_always"`

	// The statuses of refusals that nobody has seen with one: 400 to 499, by default 400
	// and of insufficient_scope 401; of ServerError 500 to 599, by default 500.
	UnsupportedGrantTypeStatus int `json:"unsupported_grant_type_status"`
	InvalidRequestStatus       int `json:"invalid_request_status"`
	InsufficientScopeStatus    int `json:"insufficient_scope_status"`
	ServerErrorStatus          int `json:"server_error_status"`
	// ErrorTypeHeader adds X-Amzn-ErrorType and X-Amz-Date to refusals; default false.
	ErrorTypeHeader bool `json:"error_type_header"`
	// OmitErrorIDs leaves error_index and request_id out of refusals; default false.
	OmitErrorIDs bool `json:"omit_error_ids"`
}

// DefaultSwitches returns what is known of Amazon, and the stricter guess where
// nothing is.
func DefaultSwitches() Switches {
	return Switches{
		Consent:                   Ask,
		State:                     EchoState,
		CodeLife:                  Duration(5 * time.Minute),
		AccessLife:                Duration(time.Hour),
		SecretOverlap:             Duration(7 * 24 * time.Hour),
		RefreshRotation:           Same,
		RefreshTokenWithoutSecret: true,
		ExchangeWithoutProof:      true,
		VerifierError:             "unauthorized_client",
		PlainChallenge:            true,
		BasicAuth:                 true,
		JSONBodies:                true,
		TokenType:                 "bearer",
		CodePairLife:              Duration(10 * time.Minute),
		PollInterval:              Duration(30 * time.Second),
		SlowDown:                  true,
		UserCodes:                 Letters,
		ExpiredPairError:          errPair,
		DeniedPairError:           notPermitted.code,

		UnsupportedGrantTypeStatus: http.StatusBadRequest,
		InvalidRequestStatus:       http.StatusBadRequest,
		InsufficientScopeStatus:    http.StatusUnauthorized,
		ServerErrorStatus:          http.StatusInternalServerError,
	}
}

// longest bounds every duration of the switches.
const longest = 10 * 365 * 24 * time.Hour

// Validate says which field, by its JSON name, holds what it can't.
func (s Switches) Validate() error {
	for _, err := range []error{
		standin.OneOf("consent", s.Consent, Ask, Allow, Deny),
		standin.OneOf("state", s.State, EchoState, OmitState, AlterState),
		standin.OneOf("refresh_rotation", s.RefreshRotation, Same, NewOldLives, NewOldDies, Withheld),
		standin.OneOf("verifier_error", s.VerifierError, "unauthorized_client", "invalid_grant"),
		standin.OneOf("token_type", s.TokenType, "bearer", "Bearer"),
		within("code_life", s.CodeLife, time.Second),
		within("access_life", s.AccessLife, time.Second),
		standin.OneOf("user_codes", s.UserCodes, Letters, Digits),
		standin.OneOf("expired_pair_error", s.ExpiredPairError, errPair, "expired_token"),
		standin.OneOf("denied_pair_error", s.DeniedPairError, notPermitted.code, errPair),
		between("unsupported_grant_type_status", s.UnsupportedGrantTypeStatus, 400, 499),
		between("invalid_request_status", s.InvalidRequestStatus, 400, 499),
		between("insufficient_scope_status", s.InsufficientScopeStatus, 400, 499),
		between("server_error_status", s.ServerErrorStatus, 500, 599),
		within("code_pair_life", s.CodePairLife, time.Second),
		within("poll_interval", s.PollInterval, 0),
		within("refresh_life", s.RefreshLife, 0),
		within("secret_overlap", s.SecretOverlap, 0),
		within("expires_in_less", s.ExpiresInLess, 0),
	} {
		if err != nil {
			return err
		}
	}
	if s.ExpiresInLess >= s.AccessLife {
		return fmt.Errorf("expires_in_less must be under access_life, %s", s.AccessLife)
	}
	return nil
}

func within(field string, d Duration, least time.Duration) error {
	if time.Duration(d) < least || time.Duration(d) > longest {
		return fmt.Errorf("%s must be %s to %s", field, least, longest)
	}
	return nil
}

func between(field string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%s must be %d to %d", field, least, most)
	}
	return nil
}

// status is that of a refusal, where it can be set.
func (s *Switches) status(r refusal) int {
	switch {
	case r.code == "unsupported_grant_type":
		return s.UnsupportedGrantTypeStatus
	case r.code == "invalid_request" && r.status == http.StatusBadRequest:
		return s.InvalidRequestStatus
	case r.code == "insufficient_scope":
		return s.InsufficientScopeStatus
	case r.code == "ServerError":
		return s.ServerErrorStatus
	}
	return r.status
}

// Switches returns the switches as they are.
func (s *Server) Switches() Switches { return *s.switches() }

func (s *Server) switches() *Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.switches
}

// SetSwitches sets all switches.
//
// Errors: of [Switches.Validate], an unknown customer, or that of [Options.Save].
func (s *Server) SetSwitches(sw Switches) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.st.check(sw); err != nil {
		return err
	}
	return s.commit(change{key: keySwitches, value: sw, apply: func() { s.st.switches = &sw }})
}

func (st *state) check(sw Switches) error {
	if err := sw.Validate(); err != nil {
		return err
	}
	if sw.Customer != "" && st.customer(sw.Customer) == nil {
		return fmt.Errorf("customer %.80q isn't known here", sw.Customer)
	}
	return nil
}
