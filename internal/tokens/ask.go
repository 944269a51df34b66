package tokens

import (
	"context"
	"errors"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

// ask makes the one call to LWA, or, where LWA refuses our secret, one for each version
// of it; all within limit. Its outcome is told to the gates.
func (k *Keeper) ask(ctx context.Context, j *job, limit time.Duration, p *pass) (*lwa.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	token, err := k.call(ctx, j, j.client.ClientSecret)
	if refusal(err) == lwa.InvalidClient {
		token, err = k.askAgain(ctx, j, err)
	}
	p.leave(ctx, outcomeOf(err), k.retryAfter(err))
	return token, err
}

func (k *Keeper) call(ctx context.Context, j *job, secret lwa.Secret) (*lwa.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, k.callTimeout())
	defer cancel()
	c := j.client
	c.ClientSecret = secret
	token, err := c.Refresh(ctx, j.refresh)
	if err == nil || refusal(err) == lwa.InvalidGrant { // LWA looks at the client first
		k.remember(c.ClientID, secret)
	}
	return token, err
}

// askAgain tries every version of our secret that LWA has not just refused, once each:
// first one that worked for another device meanwhile, then what the source has now.
func (k *Keeper) askAgain(ctx context.Context, j *job, refused error) (*lwa.Token, error) {
	if j.public {
		return nil, &CredentialsError{refused}
	}
	tried := map[string]bool{j.client.ClientSecret.Reveal(): true}
	for _, source := range []secrets{k.remembered, k.reloaded} {
		found, err := source(ctx, j.client.ClientID)
		if err != nil {
			refused = errors.Join(refused, err)
		}
		for _, secret := range found {
			if tried[secret.Reveal()] {
				continue
			}
			tried[secret.Reveal()] = true
			token, err := k.call(ctx, j, secret)
			if refusal(err) != lwa.InvalidClient {
				return token, err
			}
		}
	}
	return nil, &CredentialsError{refused}
}

// classify gives an error of [Keeper.ask] the type that callers know.
func (k *Keeper) classify(err error) error {
	switch {
	case is[*CredentialsError](err):
		return err
	case outcomeOf(err) == unreachable:
		return k.unavailable(0, err)
	default:
		return &UnexpectedError{err}
	}
}

func outcomeOf(err error) outcome {
	switch {
	case is[*CredentialsError](err):
		return refused
	case transient(err):
		return unreachable
	default:
		return answered
	}
}

// transient reports whether the same request may succeed later.
func transient(err error) bool {
	if e, ok := errors.AsType[*lwa.Error](err); ok {
		return e.Temporary()
	}
	return is[*lwa.TransportError](err) || isContext(err)
}

// refusal is the code of an answer of LWA; "" for anything else. A server in trouble has
// none that is final: see [lwa.Error].
func refusal(err error) lwa.Code {
	if e, ok := errors.AsType[*lwa.Error](err); ok {
		return e.Code
	}
	return ""
}
