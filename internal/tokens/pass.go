package tokens

import (
	"context"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// outcome is how a call to LWA went.
type outcome int

const (
	nothing     outcome = iota // there was no call
	answered                   // LWA works, and knows the client
	refused                    // LWA works, but refuses the client
	unreachable                // LWA doesn't work
)

// pass lets a flight ask LWA: through the gate of LWA's host and that of the client.
type pass struct{ host, client *flight.Ticket }

// enter returns a pass, or why nobody may ask for now.
func (k *Keeper) enter(ctx context.Context, j *job) (*pass, error) {
	api := j.client.Endpoint.APIURL
	host, wait, err := k.gate("LWA", api, outageAfter).Enter(ctx)
	if err != nil {
		return nil, k.unavailable(0, err)
	}
	if host == nil {
		return nil, k.outage(wait, errOutage)
	}
	who := "LWA for client " + j.client.ClientID
	if j.public {
		who += " without secret"
	}
	client, _, err := k.gate(who, api, 1).Enter(ctx)
	if client != nil {
		return &pass{host, client}, nil
	}
	host.Leave(ctx, flight.Silent, 0)
	if err != nil {
		return nil, k.unavailable(0, err)
	}
	return nil, &CredentialsError{errRefused}
}

// leave tells both gates how it went. It counts the first time only.
func (p *pass) leave(ctx context.Context, o outcome, retryAfter time.Duration) {
	host, client := flight.Silent, flight.Silent
	switch o {
	case answered:
		host, client = flight.Works, flight.Works
	case refused:
		host, client = flight.Works, flight.Fails
	case unreachable:
		host = flight.Fails
	case nothing:
	}
	p.host.Leave(ctx, host, retryAfter)
	p.client.Leave(ctx, client, 0)
}

// outageAfter is how many calls in a row LWA must fail to answer before nobody asks.
const outageAfter = 3

func (k *Keeper) gate(what, api string, limit int) *flight.Gate {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := what + " " + api
	if k.gates[key] == nil {
		if k.gates == nil {
			k.gates = map[string]*flight.Gate{}
		}
		k.gates[key] = &flight.Gate{
			Limit: limit, Now: k.now, Turned: turned(what),
			Backoff: flight.Backoff{First: firstShut, Max: maxShut, Rand: k.Rand},
		}
	}
	return k.gates[key]
}

// turned logs when a gate is shut and when it is open again.
func turned(what string) func(context.Context, time.Time) {
	return func(ctx context.Context, until time.Time) {
		if until.IsZero() {
			slog.InfoContext(ctx, "calls go on", "to", what)
			return
		}
		slog.ErrorContext(ctx, "calls are held back after failures; from now on one tries for all", "to", what, "until", until)
	}
}
