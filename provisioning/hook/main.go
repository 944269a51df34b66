// Command hook is the Lambda function that AWS IoT Core asks before it provisions a device.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/restock-dev/restock/internal/fleet"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	// Larger than what package cloud makes for the other functions, but nobody waits for this one.
	aws, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		slog.Error("starting hook", "error", err)
		os.Exit(1)
	}
	h := &fleet.Hook{Models: strings.Split(os.Getenv("RESTOCK_DEVICE_MODELS"), ","), Registry: iot.NewFromConfig(aws), Now: time.Now}
	lambda.Start(h.Provision)
}
