package callback

import "github.com/restock-dev/restock/internal/wiring"

// Wire makes the handler of its parts.
//
// Errors: that of [New].
func Wire(p *wiring.Parts) (*Handler, error) {
	return New(Handler{
		Store: p.Store, Keeper: p.Keeper(), Credentials: p.Credentials, Keys: p.Keys, DRS: p.DRS(), Publisher: p.Publisher,
		Endpoint: p.Config.Endpoint, Region: p.Config.Region, RedirectURL: p.Config.RedirectURL,
		PublicClients: p.Config.PublicClients, TestDevices: p.Config.TestDevices, NonLive: p.Config.NonLive,
		Metrics: p.Metrics, HTTPClient: p.HTTPClient, Now: p.Now,
	})
}
