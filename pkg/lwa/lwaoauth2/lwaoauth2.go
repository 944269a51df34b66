// Package lwaoauth2 takes tokens of package lwa to golang.org/x/oauth2 and back, for
// programs and libraries that know that one.
//
//	api := &http.Client{Transport: &oauth2.Transport{
//		Source: lwaoauth2.TokenSource(ctx, c.ClientCredentialsSource(lwa.ScopeAppSubmission)),
//	}}
//
// Only who imports this package depends on x/oauth2.
package lwaoauth2

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/restock-dev/restock/pkg/lwa"
)

// Token converts t. The result holds the tokens in the open: fmt and encoding/json print
// them. Its ExpiresIn is zero, as for any token that was not just received. Nil gives nil.
func Token(t *lwa.Token) *oauth2.Token {
	if t == nil {
		return nil
	}
	o := &oauth2.Token{
		AccessToken:  t.AccessToken.Reveal(),
		TokenType:    t.TokenType,
		RefreshToken: t.RefreshToken.Reveal(),
		Expiry:       t.Expiry,
	}
	if t.Scope == "" {
		return o
	}
	return o.WithExtra(map[string]any{"scope": t.Scope})
}

// FromToken converts o, one that was stored for instance. A token without expiry is taken
// for one that has expired, since LWA's always have one. Nil gives nil.
func FromToken(o *oauth2.Token) *lwa.Token {
	if o == nil {
		return nil
	}
	scope, _ := o.Extra("scope").(string)
	return &lwa.Token{
		AccessToken:  lwa.NewSecret(o.AccessToken),
		RefreshToken: lwa.NewSecret(o.RefreshToken),
		TokenType:    o.Type(),
		Expiry:       o.Expiry.UTC(),
		Scope:        scope,
	}
}

// TokenSource makes an [oauth2.TokenSource] of s, which waits for a token no longer than ctx
// lives: oauth2's Token has no context of its own. Don't wrap it in
// [oauth2.ReuseTokenSource], as [oauth2.NewClient] does: that keeps each token until its last
// seconds, so that nothing is renewed in the background and everybody waits behind a lock. s
// keeps it, too, and better.
func TokenSource(ctx context.Context, s *lwa.TokenSource) oauth2.TokenSource {
	return source{ctx, s}
}

type source struct {
	ctx context.Context
	s   *lwa.TokenSource
}

// Token implements oauth2.TokenSource.
func (s source) Token() (*oauth2.Token, error) {
	t, err := s.s.Token(s.ctx)
	if err != nil {
		return nil, retrieveError(err)
	}
	return Token(t), nil
}

// RetrieveError is an error of package lwa, in which errors.As finds an
// [*oauth2.RetrieveError] as well, for those who look for that. Its Response has the status,
// neither header nor body.
type RetrieveError struct {
	err error
	as  *oauth2.RetrieveError
}

// Error is that of the lwa error: it holds nothing secret.
func (e *RetrieveError) Error() string { return e.err.Error() }

// Unwrap returns the error of package lwa, and oauth2's form of it.
func (e *RetrieveError) Unwrap() []error { return []error{e.err, e.as} }

func retrieveError(err error) error {
	var refused *lwa.Error
	if !errors.As(err, &refused) || refused.Code == "" {
		return err
	}
	return &RetrieveError{err, &oauth2.RetrieveError{
		Response: &http.Response{
			StatusCode: refused.StatusCode,
			Status:     fmt.Sprintf("%d %s", refused.StatusCode, http.StatusText(refused.StatusCode)),
			Header:     http.Header{},
			Body:       http.NoBody,
		},
		ErrorCode:        string(refused.Code),
		ErrorDescription: refused.Description,
	}}
}

// Source makes an [lwa.TokenSource] of o, which has to fetch a new token at each call, and to
// give up by itself: it gets no context.
//
// The sources that x/oauth2 makes, by [oauth2.ReuseTokenSource] and by the TokenSource of each
// Config, don't fetch while their token lives: they answer with the one that is to be
// replaced. For a Config fill in [lwa.TokenSource].Fetch: see the example of [FromToken].
func Source(o oauth2.TokenSource) *lwa.TokenSource {
	return &lwa.TokenSource{Fetch: func(context.Context, *lwa.Token) (*lwa.Token, error) {
		t, err := o.Token()
		if err != nil {
			return nil, fmt.Errorf("fetching a token by x/oauth2: %w", err)
		}
		return FromToken(t), nil
	}}
}
