package callback

import (
	"context"
	"time"
)

// What a sign-in may take: the time of its request, which on Lambda ends before API
// Gateway gives up after 30 s, or signInTime where a request has no end. The steps get
// what is left of it, but for what is kept to store the outcome: a code works once, so
// that an answer of LWA that is not stored is lost.
const (
	signInTime  = 25 * time.Second
	keptToStore = 5 * time.Second // for the registration: a call of storeTime that hangs, and another try
	keptToClose = time.Second     // for the outcome, after the device was told
)

// outlasting returns ctx without its cancellation but with its deadline, or with one of
// signInTime from now: whoever hangs up leaves no sign-in half done.
func outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if !ok {
		return context.WithTimeout(ctx, signInTime)
	}
	return context.WithDeadline(ctx, end)
}

// keeping returns ctx with a deadline that leaves d of its own.
func keeping(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-d))
}
