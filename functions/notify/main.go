// Command notify is the Lambda function that takes the notifications of DRS.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/gateway"
	"github.com/restock-dev/restock/internal/notify"
	"github.com/restock-dev/restock/internal/wiring"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	f, err := build(config.Environ())
	if err != nil {
		slog.Error("starting notify", "error", err)
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
	a, err := cloud.Open(environ, "RESTOCK_TABLE")
	if err != nil {
		return nil, err
	}
	return &wiring.Parts{
		Config: a.Config, Store: a.Store(), Publisher: a.Publisher(), Grants: a.Grants(), Metrics: a.Metrics("notify"),
	}, nil
}

func function(p *wiring.Parts) (*gateway.Function, error) {
	return &gateway.Function{Name: "notify", Topic: notify.Wire(p).Handle}, nil
}
