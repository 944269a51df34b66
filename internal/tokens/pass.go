package tokens

import (
	"context"
	"time"
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
type pass struct{ host, client *ticket }

// enter returns a pass, or why nobody may ask for now.
func (k *Keeper) enter(ctx context.Context, j *job) (*pass, error) {
	api := j.client.Endpoint.APIURL
	host, wait, err := k.gate("LWA", api, outageAfter).enter(ctx)
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
	client, _, err := k.gate(who, api, 1).enter(ctx)
	if client != nil {
		return &pass{host, client}, nil
	}
	host.leave(ctx, silent, 0)
	if err != nil {
		return nil, k.unavailable(0, err)
	}
	return nil, &CredentialsError{errRefused}
}

// leave tells both gates how it went. It counts the first time only.
func (p *pass) leave(ctx context.Context, o outcome, retryAfter time.Duration) {
	host, client := silent, silent
	switch o {
	case answered:
		host, client = works, works
	case refused:
		host, client = works, fails
	case unreachable:
		host = fails
	case nothing:
	}
	p.host.leave(ctx, host, retryAfter)
	p.client.leave(ctx, client, 0)
}

func (k *Keeper) gate(what, api string, limit int) *gate {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := what + " " + api
	if k.gates[key] == nil {
		if k.gates == nil {
			k.gates = map[string]*gate{}
		}
		k.gates[key] = &gate{what: what, limit: limit, k: k}
	}
	return k.gates[key]
}
