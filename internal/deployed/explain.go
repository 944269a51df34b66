package deployed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Explain turns an error of the AWS SDK into a sentence that says what to change. It
// returns nil for nil, and wraps what it is given.
func Explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if text := explanation(err); text != "" {
		return &explained{text, err}
	}
	return err
}

// explained is an error of the SDK in plain words.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

func explanation(err error) string {
	var (
		profile   config.SharedConfigProfileNotExistError
		signIn    *ssocreds.InvalidTokenError
		api       smithy.APIError
		operation *smithy.OperationError
		unsent    *smithyhttp.RequestSendError
	)
	switch {
	case errors.As(err, &profile):
		return fmt.Sprintf("there is no profile %q in the AWS configuration: see aws configure list-profiles", profile.Profile)
	case errors.As(err, &signIn):
		return "the sign-in to AWS has ended: run aws sso login"
	case errors.As(err, &api):
		call := "this call"
		if errors.As(err, &operation) {
			call = operation.Service() + " " + operation.Operation()
		}
		return ofCode(api, call)
	case errors.As(err, &unsent):
		return fmt.Sprintf("AWS can't be reached, look at the network and at the name of the region (%v)", unsent.Err)
	}
	return ""
}

func ofCode(e smithy.APIError, call string) string {
	switch code := e.ErrorCode(); code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError":
		return fmt.Sprintf("AWS does not allow %s to these credentials: use those of an operator of the stack (%.300s)", call, e.ErrorMessage())
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return "the AWS credentials have expired: sign in again"
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException":
		return fmt.Sprintf("AWS does not know these credentials, or they are for another partition or region (%s)", code)
	case "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestThrottled":
		return fmt.Sprintf("AWS has had too many calls of %s: try again in a minute", call)
	}
	return ""
}

// credentialsError is for credentials that can't be had. The chain ends at the metadata of
// an EC2 machine, so where there are none at all the SDK complains about that.
func credentialsError(err error) error {
	var path *fs.PathError
	switch text := explanation(err); {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &path) && strings.Contains(err.Error(), "SSO"): // nobody has signed in yet
		return &explained{"nobody is signed in to AWS: run aws sso login", err}
	case text != "" && !strings.Contains(err.Error(), "IMDS"):
		return &explained{text, err}
	}
	return &explained{"no AWS credentials were found: sign in with aws sso login or aws configure, or name a profile with --profile", err}
}

// absent reports CloudFormation's answer for a stack that does not exist.
func absent(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist")
}
