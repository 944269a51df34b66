// Package cloud is Restock on AWS: the services behind the interfaces that the
// handlers declare.
//
//	handlers' word     AWS
//	Publisher          AWS IoT Core
//	Retry, Fanout      SQS
//	Fetch of secrets   Secrets Manager
//	Grants             EventBridge
//	Store              DynamoDB (package store/dynamo)
//
// Making any of them calls nobody: the first call is made for the first event.
package cloud

import (
	"fmt"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/restock-dev/restock/internal/config"
)

// Bounds of every call to AWS. These services answer in milliseconds; an attempt that
// takes seconds is lost, and the time is better spent on another.
const (
	dialTimeout    = time.Second
	attemptTimeout = 3 * time.Second
	maxAttempts    = 3
	maxBackoff     = time.Second
)

// AWS makes what a function needs of AWS. Make one with [Open].
type AWS struct {
	Config *config.Config

	sdk     aws.Config
	environ map[string]string
}

// Open reads the configuration, of which some variables are required, and what Lambda
// puts beside it for the SDK. It calls nobody.
//
// The SDK's own loader would also look for profiles, roles and single sign-on, which a
// function has not; without it, a function is a tenth smaller.
//
// Errors: those of [config.Parse], or one sentence about a variable that Lambda sets.
func Open(environ map[string]string, required ...string) (*AWS, error) {
	settings, err := config.Parse(environ, required...)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if environ[name] == "" {
			return nil, fmt.Errorf("%s is not set; Lambda and sam local set it", name)
		}
	}
	sdk := aws.Config{
		Region: environ["AWS_REGION"],
		Credentials: awscredentials.NewStaticCredentialsProvider(
			environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ["AWS_SESSION_TOKEN"],
		),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithDialerOptions(
			func(d *net.Dialer) { d.Timeout = dialTimeout },
		),
		Retryer: retryer,
	}
	return &AWS{Config: settings, sdk: sdk, environ: environ}, nil
}

// With is Open for an operator's command: what a function is set to, with the operator's
// own credentials, region and bounds in sdk.
func With(sdk aws.Config, environ map[string]string, required ...string) (*AWS, error) {
	settings, err := config.Parse(environ, required...)
	if err != nil {
		return nil, err
	}
	return &AWS{Config: settings, sdk: sdk}, nil
}

// retryer tries a few times, and holds calls back once a service throttles them. Each
// client has its own, so that a throttled queue does not slow the table down.
func retryer() aws.Retryer {
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(s *retry.StandardOptions) {
			s.MaxAttempts, s.MaxBackoff = maxAttempts, maxBackoff
		})
	})
}

// endpoint returns another address of a service, nil for its own. service is as in the
// SDK's variables: AWS_ENDPOINT_URL_<service>.
func (a *AWS) endpoint(service string) *string {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + service, "AWS_ENDPOINT_URL"} {
		if url := a.environ[name]; url != "" {
			return &url
		}
	}
	return nil
}

// DynamoDB returns a client for the table.
func (a *AWS) DynamoDB() *dynamodb.Client {
	return dynamodb.NewFromConfig(a.sdk, func(o *dynamodb.Options) {
		o.BaseEndpoint = override(o.BaseEndpoint, a.endpoint("DYNAMODB"))
	})
}

func override(base, other *string) *string {
	if other != nil {
		return other
	}
	return base
}
