package doctor

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// CheckAlarms checks that somebody hears of alarms: SNS sends nothing to an address that has
// not confirmed its first mail.
func CheckAlarms(ctx context.Context, sdk aws.Config, arn string) (f Findings) {
	const check = "topic of alarms"
	heard, err := sns.NewFromConfig(sdk).ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &arn})
	if err != nil {
		f.Warn(check, arn, "Look at the topic, and allow sns:ListSubscriptionsByTopic.", "Who hears of alarms can't be looked at: %s.", said(err))
		return f
	}
	confirmed := 0
	for _, s := range heard.Subscriptions {
		if strings.HasPrefix(aws.ToString(s.SubscriptionArn), "arn:") { // or PendingConfirmation
			confirmed++
		}
	}
	switch {
	case confirmed > 0:
		f.OK(check, "Somebody hears of alarms.")
	case len(heard.Subscriptions) > 0:
		f.Warn(check, arn, "Confirm the subscription by the link in its first mail; subscribe again if that is older than two days.", "Nobody hears of alarms yet: its subscription was not confirmed.")
	default:
		f.Warn(check, arn, "Deploy with the parameter AlarmEmail, or subscribe to the topic.", "Nobody hears of alarms.")
	}
	return f
}
