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
	"github.com/restock-dev/restock/internal/wiring"
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
	return function(p)
}

// parts are the function's on AWS.
func parts(environ map[string]string) (*wiring.Parts, error) {
	a, err := cloud.Open(environ, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REFRESH_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return &wiring.Parts{
		Config: a.Config, Store: a.Store(), Credentials: a.Credentials(), Keys: a.Keys(),
		Publisher: a.Publisher(), Fanout: a.Fanout(), Grants: a.Grants(), Metrics: a.Metrics("refresh"),
	}, nil
}

func function(p *wiring.Parts) (*gateway.Function, error) {
	h := refresh.Wire(p)
	return &gateway.Function{
		Name:     "refresh",
		Queue:    h.Queue,
		Schedule: func(ctx context.Context, raw []byte) (any, error) { return h.Schedule(ctx, raw) },
	}, nil
}
