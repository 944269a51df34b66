package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/deployed"
)

// said is an error of AWS in a sentence, which is bounded and holds nothing secret.
func said(err error) string {
	return fmt.Sprintf("%.300s", deployed.Explain(err).Error())
}

// CheckTable checks that a table is there, and has the keys, index and expiry that the
// store uses.
func CheckTable(ctx context.Context, sdk aws.Config, table, setting string) (f Findings) {
	const check = "table"
	client := dynamodb.NewFromConfig(sdk)
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	var absent *types.ResourceNotFoundException
	switch {
	case errors.As(err, &absent):
		f.Fail(check, setting, redeploy, "There is no table %s in %s.", table, sdk.Region)
		return f
	case err != nil:
		f.Fail(check, setting, "Look at the network and the permissions.", "The table %s can't be looked at: %s.", table, said(err))
		return f
	}
	f.keys(out.Table, setting)
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	switch {
	case err != nil:
		f.Warn("expiry", setting, "Allow dynamodb:DescribeTimeToLive.", "Whether records of %s expire can't be looked at: %s.", table, said(err))
	case ttl.TimeToLiveDescription == nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl":
		f.Warn("expiry", setting, redeploy, "Records of %s don't expire: the attribute ttl is not set for it, and the table grows.", table)
	default:
		f.OK("expiry", "Records expire by the attribute ttl.")
	}
	return f
}

const redeploy = "Deploy template.yaml again, or name the table that it made."

// keys checks the keys of a table and of its index.
func (f *Findings) keys(t *types.TableDescription, setting string) {
	table, attributes := aws.ToString(t.TableName), map[string]string{}
	for _, a := range t.AttributeDefinitions {
		attributes[aws.ToString(a.AttributeName)] = string(a.AttributeType)
	}
	keys := keysOf(t.KeySchema, attributes)
	switch {
	case t.TableStatus != types.TableStatusActive && t.TableStatus != types.TableStatusUpdating:
		f.Fail("table", setting, "Wait for it, or look at it in the DynamoDB console.", "The table %s is %s.", table, strings.ToLower(string(t.TableStatus)))
	case keys != "pk:S:HASH sk:S:RANGE":
		f.Fail("table", setting, redeploy, "The table %s has the keys %q instead of pk and sk, both text.", table, keys)
	default:
		f.OK("table", "%s is there, with its keys.", table)
	}
	index := ""
	for _, i := range t.GlobalSecondaryIndexes {
		if aws.ToString(i.IndexName) == "due" {
			index = keysOf(i.KeySchema, attributes)
		}
	}
	switch index {
	case "due_shard:S:HASH due_at:N:RANGE":
		f.OK("index", "It has the index due.")
	case "":
		f.Fail("index", setting, redeploy, "The table %s has no index due, so no token is refreshed ahead.", table)
	default:
		f.Fail("index", setting, redeploy, "The index due of %s has the keys %q instead of due_shard, a text, and due_at, a number.", table, index)
	}
}

// keysOf writes a key schema as text.
func keysOf(schema []types.KeySchemaElement, attributes map[string]string) string {
	var keys []string
	for _, k := range schema {
		name := aws.ToString(k.AttributeName)
		keys = append(keys, name+":"+attributes[name]+":"+string(k.KeyType))
	}
	return strings.Join(keys, " ")
}

// CheckQueue checks that a queue is there, and gives up into a dead-letter queue.
func CheckQueue(ctx context.Context, sdk aws.Config, name, queueURL string) (f Findings) {
	check := "queue " + name
	const policy = sqstypes.QueueAttributeNameRedrivePolicy
	attributes, ok := f.queue(ctx, sdk, check, queueURL, policy)
	switch {
	case !ok:
	case attributes[string(policy)] == "":
		f.Fail(check, name, "Deploy template.yaml again.", "It has no dead-letter queue: a message that fails for good is tried until it is lost.")
	default:
		f.OK(check, "It is there, with a dead-letter queue.")
	}
	return f
}

// CheckDeadLetters checks that a dead-letter queue is there, and empty.
func CheckDeadLetters(ctx context.Context, sdk aws.Config, name, queueURL string) (f Findings) {
	check := "queue " + name
	const depth = sqstypes.QueueAttributeNameApproximateNumberOfMessages
	attributes, ok := f.queue(ctx, sdk, check, queueURL, depth)
	switch n := attributes[string(depth)]; {
	case !ok:
	case n != "0":
		f.Warn(check, name, "Look at them with restock redrive --dry-run, mend the cause, then put them back with restock redrive.", "%s messages were given up.", n)
	default:
		f.OK(check, "It is there, and empty.")
	}
	return f
}

// queue reads attributes of a queue.
func (f *Findings) queue(ctx context.Context, sdk aws.Config, check, queueURL string, names ...sqstypes.QueueAttributeName) (map[string]string, bool) {
	out, err := sqs.NewFromConfig(sdk).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: names})
	if err != nil {
		f.Fail(check, queueURL, "Deploy template.yaml again, or look at the permissions.", "It can't be looked at: %s.", said(err))
		return nil, false
	}
	return out.Attributes, true
}

// CheckTopic checks that a topic is there, that DRS may publish to it, and that a function
// listens.
func CheckTopic(ctx context.Context, sdk aws.Config, arn string) (f Findings) {
	const check = "topic of notifications"
	client := sns.NewFromConfig(sdk)
	out, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		f.Fail(check, arn, "Deploy template.yaml again, or look at the permissions.", "It can't be looked at: %s.", said(err))
		return f
	}
	if !published(out.Attributes["Policy"]) {
		f.Fail(check, arn, "Deploy template.yaml again.", "Its policy does not let DRS publish, so no news of orders comes.")
	}
	heard, err := client.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &arn})
	switch {
	case err != nil:
		f.Warn(check, arn, "Allow sns:ListSubscriptionsByTopic.", "Who listens can't be looked at: %s.", said(err))
	default:
		listening := false
		for _, s := range heard.Subscriptions {
			listening = listening || aws.ToString(s.Protocol) == "lambda"
		}
		if !listening {
			f.Fail(check, arn, "Deploy template.yaml again.", "No function listens to it.")
		}
	}
	if len(f) == 0 {
		f.OK(check, "It is there, DRS may publish to it, and a function listens. Its ARN must be in the DRS portal: %s", arn)
	}
	return f
}

// drsAccount is the AWS account that DRS publishes from.
//
// Source: developer.amazon.com/docs/dash/notifications.html
const drsAccount = "476877469412"

// published reports whether a policy lets DRS publish.
func published(policy string) bool {
	var p struct {
		Statement []struct{ Effect, Principal, Action json.RawMessage }
	}
	if json.Unmarshal([]byte(policy), &p) != nil {
		return false
	}
	return slices.ContainsFunc(p.Statement, func(s struct{ Effect, Principal, Action json.RawMessage }) bool {
		return string(s.Effect) == `"Allow"` && strings.Contains(string(s.Principal), drsAccount) &&
			strings.Contains(strings.ToLower(string(s.Action)), "sns:publish")
	})
}
