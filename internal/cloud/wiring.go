package cloud

import (
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/wiring"
)

// Store returns the table.
func (a *AWS) Store() *dynamo.Store {
	return &dynamo.Store{Client: tableOf(a.DynamoDB()), Table: a.Config.Table}
}

// Credentials returns the LWA credentials in their secret, which is read at the first use.
func (a *AWS) Credentials() credentials.Source {
	return &credentials.Manager{Fetcher: a.Secrets(), ID: a.Config.LWASecret}
}

// Keys returns the key ring in its secret, which is read at the first use.
func (a *AWS) Keys() seal.Source {
	return &credentials.Keys{Fetcher: a.Secrets(), ID: a.Config.KeysSecret}
}

// Grants returns the bus, nil where the configuration names none.
func (a *AWS) Grants() wiring.Grants {
	if a.Config.EventBus == "" {
		return nil
	}
	return a.Bus()
}

// Metrics returns the counts of a function, which CloudWatch reads from its log.
func (*AWS) Metrics(function string) *metrics.EMF { return &metrics.EMF{Function: function} }
