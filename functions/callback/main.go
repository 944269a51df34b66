// Command callback is the Lambda function that pairs devices with customers: the pages,
// the exchange of codes, and every path that no other function takes.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/wiring"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	f, err := build(config.Environ())
	if err != nil {
		slog.Error("starting callback", "error", err)
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
	a, err := cloud.Open(environ, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REDIRECT_URL")
	if err != nil {
		return nil, err
	}
	return &wiring.Parts{
		Config: a.Config, Store: a.Store(), Credentials: a.Credentials(), Keys: a.Keys(),
		Publisher: a.Publisher(), Grants: a.Grants(), Metrics: a.Metrics("callback"),
	}, nil
}

func function(p *wiring.Parts) (*gateway.Function, error) {
	h, err := callback.Wire(p)
	if err != nil {
		return nil, err
	}
	return &gateway.Function{Name: "callback", HTTP: p.HTTP(h, callback.OpenCalls...)}, nil
}
