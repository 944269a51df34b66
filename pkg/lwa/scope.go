package lwa

// Scopes that a customer is asked for. Colons are single in some and double in others, and
// Amazon refuses what is mistyped with invalid_scope. The scopes of products, such as
// dash:replenish, stand in the pages of each.
//
// Source: developer.amazon.com/docs/login-with-amazon/customer-profile.html
const (
	ScopeProfile    = "profile"         // user ID, name and email
	ScopeUserID     = "profile:user_id" // user ID alone
	ScopePostalCode = "postal_code"     // postal code
)

// Scopes of the application itself, for [Client.ClientCredentials]. The security profile has to
// be attached to the API in Amazon's console.
//
// Source: developer.amazon.com/docs/app-submission-api/auth.html, reports-promo/API-access.html,
// adm/request-access-token.html; developer-docs.amazon.com/sp-api/docs/grantless-operations
const (
	ScopeAppSubmission         = "appstore::apps:readwrite"                      // App Submission API
	ScopeAppstoreReporting     = "adx_reporting::appstore:marketer"              // the Appstore's reporting
	ScopeDeviceMessaging       = "messaging:push"                                // Amazon Device Messaging
	ScopeSellerNotifications   = "sellingpartnerapi::notifications"              // Selling Partner API, notifications
	ScopeSellerSecretsRotation = "sellingpartnerapi::client_credential:rotation" // Selling Partner API, rotation of the client secret
)
