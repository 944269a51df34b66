package replenish

import (
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/wiring"
)

// Wire makes the handler of its parts.
func Wire(p *wiring.Parts) *Handler {
	return &Handler{
		Store: p.Store, Keeper: p.Keeper(), DRS: p.DRS(), Publisher: p.Publisher,
		Pairings: &pairing.Starter{Store: p.Store, RedirectURL: p.Config.RedirectURL, Now: p.Now},
		Retry:    p.Retry, Gaps: p.Gaps, Metrics: p.Metrics, Now: p.Now,
	}
}
