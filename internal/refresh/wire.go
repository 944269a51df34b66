package refresh

import "github.com/restock-dev/restock/internal/wiring"

// Wire makes the handler of its parts.
func Wire(p *wiring.Parts) *Handler {
	return &Handler{
		Keeper: p.Keeper(), Store: p.Store, Fanout: p.Fanout, Metrics: p.Metrics, Now: p.Now, Shards: p.Config.Shards,
	}
}
