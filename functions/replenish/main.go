// Command replenish is the Lambda function that does what devices ask for, over MQTT
// (the IoT rule and its retry queue) and over HTTPS.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/wiring"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	f, err := build(config.Environ())
	if err != nil {
		slog.Error("starting replenish", "error", err)
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
	a, err := cloud.Open(environ, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REDIRECT_URL", "RESTOCK_RETRY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	retry := a.Retry()
	return &wiring.Parts{
		Config: a.Config, Store: a.Store(), Credentials: a.Credentials(), Keys: a.Keys(),
		Publisher: a.Publisher(), Retry: retry, Gaps: retry, Grants: a.Grants(), Metrics: a.Metrics("replenish"),
	}, nil
}

func function(p *wiring.Parts) (*gateway.Function, error) {
	h := replenish.Wire(p)
	return &gateway.Function{Name: "replenish", HTTP: p.HTTP(h), Rule: h.Rule, Queue: h.Queue}, nil
}
