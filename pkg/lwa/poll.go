package lwa

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// maxPollInterval is where slow_down stops making the interval longer, as in Amazon's
// own AVS device SDK.
const maxPollInterval = time.Minute

// PollCodePair asks once whether the customer has decided. Keep p.Interval between two
// calls; [Client.AwaitCodePair] does so by itself. The request names neither client nor
// secret: the two codes are enough.
//
// Errors: [*Error] with Code authorization_pending until the customer decides, slow_down
// when asked too often, access_denied when the customer said no, invalid_code_pair or
// expired_token when the pair is over; its RetryAfter is when to ask again. expired_token
// is also what [errors.Is] finds when c.Now says that p has expired, and nothing was
// asked. [*TransportError] when no answer arrived.
//
// Source: developer.amazon.com/docs/login-with-amazon/retrieve-token-other-platforms-cbl-docs.html
func (c *Client) PollCodePair(ctx context.Context, p *CodePair) (*Token, error) {
	switch {
	case p == nil || p.UserCode == "" || p.DeviceCode.IsZero():
		return nil, usage(opPoll, errors.New("the code pair is empty"))
	case !c.now().Before(p.Expiry):
		return nil, usage(opPoll, ExpiredToken)
	}
	t, err := c.sendToken(ctx, opPoll, url.Values{
		"grant_type":  {"device_code"},
		"device_code": {p.DeviceCode.Reveal()},
		"user_code":   {p.UserCode},
	})
	var e *Error
	if errors.As(err, &e) && e.Temporary() {
		e.RetryAfter = max(e.RetryAfter, p.nextInterval(e))
	}
	return t, err
}

// nextInterval is the time to wait after e.
func (p *CodePair) nextInterval(e *Error) time.Duration {
	interval := max(p.Interval, time.Second)
	if e.Code == SlowDown || e.StatusCode == 429 {
		return max(interval, min(2*interval, maxPollInterval))
	}
	return interval
}

// AwaitCodePair polls until the customer has decided, p has expired or ctx ends. It waits
// p.Interval before each poll, longer after slow_down, and goes on when Amazon is in
// trouble or no answer arrives; not where its certificate is refused.
//
// Errors: those of [Client.PollCodePair] except authorization_pending and slow_down: what
// [errors.Is] finds is expired_token, access_denied or invalid_code_pair, or the cause of
// ctx.
func (c *Client) AwaitCodePair(ctx context.Context, p *CodePair) (*Token, error) {
	if p == nil {
		return nil, usage(opPoll, errors.New("the code pair is empty"))
	}
	pair := *p
	pair.Interval = max(pair.Interval, time.Second)
	for wait := pair.Interval; ; {
		if err := c.wait(ctx, min(wait, max(pair.Expiry.Sub(c.now()), 0))); err != nil {
			return nil, usage(opPoll, err)
		}
		t, err := c.PollCodePair(ctx, &pair)
		var e *Error
		_, again := Retry(err)
		switch {
		case err == nil:
			return t, nil
		case ctx.Err() != nil:
			return nil, usage(opPoll, context.Cause(ctx))
		case !again:
			return nil, err
		}
		if wait = pair.Interval; errors.As(err, &e) {
			wait = e.RetryAfter
			pair.Interval = max(pair.Interval, pair.nextInterval(e))
		}
	}
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
