package notify

import "github.com/restock-dev/restock/internal/wiring"

// Wire makes the handler of its parts.
func Wire(p *wiring.Parts) *Handler {
	return &Handler{
		Store: p.Store, Publisher: p.Publisher, Grants: p.Grants, Metrics: p.Metrics, Now: p.Now, Shards: p.Config.Shards,
	}
}
