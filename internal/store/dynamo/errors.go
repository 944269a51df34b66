package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/restock-dev/restock/internal/store"
)

var retryable = retry.IsErrorRetryables(retry.DefaultRetryables)

// classify gives an error of the SDK the meaning that package store knows, if any.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case is[*types.ConditionalCheckFailedException](err):
		return store.ErrConflict
	case errors.Is(err, context.Canceled): // the caller has gone
		return err
	case errors.Is(err, context.DeadlineExceeded), unreachable(err), retryable.IsErrorRetryable(err) == aws.TrueTernary:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	default:
		return err
	}
}

// unreachable reports whether a request found no server, or its answer was cut off.
func unreachable(err error) bool {
	var connection interface{ ConnectionError() bool }
	return errors.As(err, &connection) && connection.ConnectionError() || is[*smithy.DeserializationError](err)
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// attempts counts how often the SDK sends a request.
type attempts struct{ n int }

func (a *attempts) count(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("CountAttempts",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				a.n++
				return next.HandleFinalize(ctx, in)
			}), "Retry", middleware.After)
	})
}
