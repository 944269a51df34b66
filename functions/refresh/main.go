// Command refresh is the Lambda function that keeps the tokens fresh: the schedule has
// it fan the shards out to a queue, and the queue has it sweep them.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/refresh"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	f, err := build(config.Environ())
	if err != nil {
		slog.Error("starting refresh", "error", err)
		os.Exit(1)
	}
	lambda.Start(f)
}

func build(environ map[string]string) (*gateway.Function, error) {
	p, err := parts(environ)
	if err != nil {
		return nil, err
	}
	return function(p), nil
}

// parts are the function's on AWS.
func parts(environ map[string]string) (*cloud.Parts, error) {
	a, err := cloud.Open(environ, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REFRESH_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return &cloud.Parts{
		Config: a.Config, Store: a.Store(), Credentials: a.Credentials(), Keys: a.Keys(),
		Publisher: a.Publisher(), Fanout: a.Fanout(), Grants: a.Grants(), Metrics: a.Metrics("refresh"),
	}, nil
}

func function(p *cloud.Parts) *gateway.Function {
	h := &refresh.Handler{
		Keeper: p.Keeper(), Store: p.Store, Fanout: p.Fanout, Metrics: p.Metrics, Now: p.Now, Shards: p.Config.Shards,
	}
	return &gateway.Function{
		Name:     "refresh",
		Queue:    h.Queue,
		Schedule: func(ctx context.Context, raw []byte) (any, error) { return h.Schedule(ctx, raw) },
	}
}
