package lwatest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/restock-dev/restock/pkg/internal/standin"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Client is an LWA client that the server knows, as Amazon's console registers it.
type Client struct {
	// ID is the client ID, at most 100 bytes; Amazon's start with
	// amzn1.application-oa2-client. Required.
	ID string
	// Name is shown to the customer; "": the ID.
	Name string
	// AppID is told by tokeninfo; "": made of the ID.
	AppID string
	// Secret authenticates the client. Zero: it is public, and can't have one.
	Secret lwa.Secret
	// RedirectURLs are the Allowed Return URLs. One at least: https, http on
	// loopback, or an application's own scheme.
	RedirectURLs []string
	// Origins are the Allowed Origins, such as https://www.example.com: of pages that
	// use the SDK for JavaScript with a window of its own, or call the server from a
	// script. None: those on loopback.
	Origins []string
	// Scopes are those that customers may be asked for; nil: all that are known.
	Scopes []string
	// OwnScopes are those that the client is granted for itself with
	// client_credentials: in Amazon's console, the APIs that its security profile is
	// attached to. Nil: all that are known, among them appstore::apps:readwrite.
	OwnScopes []string
	// GrantTypes are those that it may use: authorization_code, device_code,
	// client_credentials. Nil: all of them, but client_credentials needs a Secret.
	// What a grant of one of them has begun can always be refreshed.
	GrantTypes []string
}

// Customer is somebody with an Amazon account.
type Customer struct {
	UserID     string `json:"user_id"` // amzn1.account.…
	Name       string `json:"name"`
	Email      string `json:"email"`
	PostalCode string `json:"postal_code"`
}

// What a server knows when [Options] name nothing else.
const (
	// DefaultRedirectURL is the one return URL of the default client.
	DefaultRedirectURL = "http://localhost:8080/callback"
	defaultClientID    = "amzn1.application-oa2-client.5eed00000000000000000000000000a1"
)

// DefaultClient returns the client of a server that was given none: confidential,
// with a secret made for the occasion.
func DefaultClient() Client {
	return Client{
		ID:           defaultClientID,
		Name:         "Example Appliances",
		Secret:       lwa.NewSecret(newClientSecret()),
		RedirectURLs: []string{DefaultRedirectURL},
	}
}

// DefaultCustomers returns the customers of a server that was given none.
func DefaultCustomers() []Customer {
	return []Customer{
		{UserID: "amzn1.account.AEXAMPLEONE", Name: "Customer One", Email: "one@example.com", PostalCode: "98101"},
		{UserID: "amzn1.account.AEXAMPLETWO", Name: "Customer Two", Email: "two@example.com", PostalCode: "10115"},
	}
}

// client is what is kept of a Client.
type client struct {
	ID           string
	Name         string
	AppID        string
	Secrets      []clientSecret // the newest first; none: public
	RedirectURLs []string
	Origins      []string
	Scopes       []string
	OwnScopes    []string
	GrantTypes   []string

	plain lwa.Secret // the newest, for Server.Client; never saved
}

type clientSecret struct {
	Digest digest
	Until  time.Time // zero: until it is rotated
}

func newClient(c Client) (*client, error) {
	switch {
	case c.ID == "" || len(c.ID) > 100 || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("a client needs an ID of 1 to 100 printable ASCII characters without spaces")
	case len(c.RedirectURLs) == 0:
		return nil, fmt.Errorf("client %s needs a redirect URL", c.ID)
	}
	for _, u := range c.RedirectURLs {
		if err := checkRedirectURL(u); err != nil {
			return nil, fmt.Errorf("client %s: %w", c.ID, err)
		}
	}
	for _, o := range c.Origins {
		if !isOrigin(o) {
			return nil, fmt.Errorf("client %s: %.100q is no origin, such as https://www.example.com", c.ID, o)
		}
	}
	for _, scope := range c.OwnScopes {
		if !isScope(scope) {
			return nil, fmt.Errorf("client %s: %.100q is no scope", c.ID, scope)
		}
	}
	for _, kind := range c.GrantTypes {
		if err := standin.OneOf("a grant type", kind, typeCode, typeDevice, typeClient); err != nil {
			return nil, fmt.Errorf("client %s: %w", c.ID, err)
		}
	}
	k := &client{
		ID: c.ID, Name: c.Name, AppID: c.AppID, plain: c.Secret,
		RedirectURLs: slices.Clone(c.RedirectURLs), Origins: slices.Clone(c.Origins), Scopes: slices.Clone(c.Scopes),
		OwnScopes: slices.Clone(c.OwnScopes), GrantTypes: slices.Clone(c.GrantTypes),
	}
	if k.Name == "" {
		k.Name = c.ID
	}
	if k.AppID == "" {
		k.AppID = "amzn1.application." + c.ID[strings.LastIndexByte(c.ID, '.')+1:]
	}
	if !c.Secret.IsZero() {
		k.Secrets = []clientSecret{{Digest: digestOf(c.Secret.Reveal())}}
	}
	return k, nil
}

// may reports whether the client may use a grant type.
func (c *client) may(kind string) bool {
	return c.GrantTypes == nil || slices.Contains(c.GrantTypes, kind)
}

// checkRedirectURL keeps the console's rule: https, but for loopback and the schemes
// of native applications.
func checkRedirectURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "":
		return fmt.Errorf("redirect URL %.100q is no absolute URL", s)
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return fmt.Errorf("redirect URL %.100q has a fragment", s)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("redirect URL %.100q must be https, or on loopback", s)
	case u.Host == "" && strings.HasPrefix(u.Scheme, "http"):
		return fmt.Errorf("redirect URL %.100q names no host", s)
	case slices.Contains([]string{"javascript", "data", "vbscript", "file"}, u.Scheme):
		return fmt.Errorf("redirect URL %.100q has a scheme that browsers act on", s)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// accepts reports whether a secret is one of the client's that still work.
func (c *client) accepts(secret string, now time.Time) bool {
	d := digestOf(secret)
	return slices.ContainsFunc(c.Secrets, func(s clientSecret) bool {
		return s.Digest == d && (s.Until.IsZero() || now.Before(s.Until))
	})
}

// AddClient registers a client, or replaces the one with its ID.
//
// Errors: what the client can't have; over 1000 clients; that of [Options.Save].
func (s *Server) AddClient(c Client) error {
	k, err := newClient(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.clients[k.ID] == nil && len(s.st.clients) >= maxClients {
		return fmt.Errorf("at most %d clients can be registered", maxClients)
	}
	return s.commit(s.clientChange(k))
}

// AddCustomer registers a customer, or replaces the one with that user ID.
//
// Errors: a user ID that isn't amzn1.account. and letters; over 1000 customers; that of
// [Options.Save].
func (s *Server) AddCustomer(c Customer) error {
	if err := c.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.customer(c.UserID) == nil && len(s.st.customers) >= maxCustomers {
		return fmt.Errorf("at most %d customers can be registered", maxCustomers)
	}
	return s.commit(change{key: keyCustomer + c.UserID, value: c, apply: func() { s.st.setCustomer(c) }})
}

var userID = regexp.MustCompile(`^amzn1\.account\.[A-Za-z0-9_-]+$`)

func (c Customer) check() error {
	if len(c.UserID) > 114 || !userID.MatchString(c.UserID) {
		return fmt.Errorf("customer %.80q: the user ID must be amzn1.account. and letters", c.UserID)
	}
	return nil
}

// Customers lists the customers, the default one first.
func (s *Server) Customers() []Customer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.st.customers)
}

// RotateSecret gives a confidential client a new secret, which it returns; the old
// ones work on for [Switches.SecretOverlap]. Zero next: one is made.
//
// Errors: a client that isn't known, or is public; that of [Options.Save].
func (s *Server) RotateSecret(clientID string, next lwa.Secret) (lwa.Secret, error) {
	if next.IsZero() {
		next = lwa.NewSecret(newClientSecret())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.st.clients[clientID]
	if old == nil || len(old.Secrets) == 0 {
		return lwa.Secret{}, fmt.Errorf("there is no confidential client %.100q", clientID)
	}
	now := s.clock.Now()
	k := *old
	k.plain = next
	k.Secrets = []clientSecret{{Digest: digestOf(next.Reveal())}}
	end := now.Add(time.Duration(s.st.switches.SecretOverlap))
	for _, o := range old.Secrets {
		if o.Until.IsZero() || o.Until.After(end) {
			o.Until = end
		}
		if o.Until.After(now) && len(k.Secrets) < maxSecrets {
			k.Secrets = append(k.Secrets, o)
		}
	}
	if err := s.commit(s.clientChange(&k)); err != nil {
		return lwa.Secret{}, err
	}
	return next, nil
}

// maxSecrets bounds how many secrets of one client overlap.
const maxSecrets = 10
