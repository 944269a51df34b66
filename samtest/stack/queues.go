package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// clearQueues empties the queues, also of messages that are delayed or in flight. A queue
// can be purged once a minute only; so one that holds something is made anew, and with it
// all, since they name each other.
func (s *Stack) clearQueues(ctx context.Context) error {
	settings := map[string]map[string]string{} // by name
	empty := true
	for _, queue := range s.Resolver.Template.OfType("AWS::SQS::Queue") {
		url := s.Ref(queue)
		out, err := s.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			return fmt.Errorf("looking into %s: %w", queue, err)
		}
		settings[url[strings.LastIndexByte(url, '/')+1:]] = settable(out.Attributes)
		for name, value := range out.Attributes {
			if strings.HasPrefix(name, "ApproximateNumberOfMessages") && value != "0" {
				empty = false
			}
		}
	}
	if empty {
		return nil
	}
	return s.remakeQueues(ctx, settings)
}

// settable returns the attributes that a queue is made with.
func settable(all map[string]string) map[string]string {
	own := map[string]string{}
	for _, name := range []string{
		"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy",
		"SqsManagedSseEnabled", "VisibilityTimeout", "KmsMasterKeyId", "Policy",
	} {
		if value := all[name]; value != "" {
			own[name] = value
		}
	}
	return own
}

func (s *Stack) remakeQueues(ctx context.Context, settings map[string]map[string]string) error {
	var names []string
	for name := range settings {
		names = append(names, name)
		url := "https://sqs/" + name // of which moto looks at the name
		if _, err := s.SQS.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	slices.SortFunc(names, func(a, b string) int { // dead letter queues first: others name them
		return len(settings[a]["RedrivePolicy"]) - len(settings[b]["RedrivePolicy"])
	})
	for _, name := range names {
		if _, err := s.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: settings[name]}); err != nil {
			return fmt.Errorf("making %s: %w", name, err)
		}
	}
	return nil
}
