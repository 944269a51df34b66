package doctor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/restock-dev/restock/internal/doctor"
)

// account answers calls by the name of their action.
func account(t *testing.T, answers map[string]string) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if action == "" { // SNS
			action = r.FormValue("Action")
		}
		text := answers[action]
		if strings.Contains(text, "__type") {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "canary-secret", ""),
	}
}

const (
	attributes = `"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"},{"AttributeName":"due_shard","AttributeType":"S"},{"AttributeName":"due_at","AttributeType":"N"}]`
	keys       = `"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]`
	due        = `"GlobalSecondaryIndexes":[{"IndexName":"due","KeySchema":[{"AttributeName":"due_shard","KeyType":"HASH"},{"AttributeName":"due_at","KeyType":"RANGE"}]}]`
	ttl        = `{"TimeToLiveDescription":{"AttributeName":"ttl","TimeToLiveStatus":"ENABLED"}}`
)

func TestCheckTable(t *testing.T) {
	table := func(members ...string) string {
		return `{"Table":{"TableName":"devices","TableStatus":"ACTIVE",` + strings.Join(members, ",") + `}}`
	}
	for name, c := range map[string]struct {
		table, ttl string
		want       map[string][]string
	}{
		"well":       {table(attributes, keys, due), ttl, map[string][]string{"table": {"ok"}, "index": {"ok"}, "expiry": {"ok"}}},
		"no index":   {table(attributes, keys), ttl, map[string][]string{"index": {"fail", "RESTOCK_TABLE", "no index due"}}},
		"other keys": {table(attributes, strings.Replace(keys, `"sk"`, `"id"`, 1), due), ttl, map[string][]string{"table": {"fail", "RESTOCK_TABLE", "pk and sk"}}},
		"other index": {
			table(strings.Replace(attributes, `"N"`, `"S"`, 1), keys, due), ttl,
			map[string][]string{"index": {"fail", "due_at, a number"}},
		},
		"no expiry": {table(attributes, keys, due), `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`, map[string][]string{"expiry": {"warn", "ttl"}}},
		"no table":  {`{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`, ttl, map[string][]string{"table": {"fail", "no table devices in eu-west-1"}}},
		"not allowed": {
			`{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}`, ttl,
			map[string][]string{"table": {"fail", "does not allow"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sdk := account(t, map[string]string{"DescribeTable": c.table, "DescribeTimeToLive": c.ttl})
			wants(t, doctor.CheckTable(t.Context(), sdk, "devices", "RESTOCK_TABLE"), c.want)
		})
	}
}

func TestCheckQueues(t *testing.T) {
	check := func(attributes string, want ...string) {
		t.Helper()
		sdk := account(t, map[string]string{"GetQueueAttributes": attributes})
		wants(t, doctor.CheckQueue(t.Context(), sdk, "RetryQueue", "https://sqs/1/retry"), map[string][]string{"queue RetryQueue": want})
	}
	check(`{"Attributes":{"RedrivePolicy":"{}"}}`, "ok")
	check(`{"Attributes":{}}`, "fail", "no dead-letter queue")
	check(`{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}`, "fail", "can't be looked at")
	depth := func(n string, want ...string) {
		t.Helper()
		sdk := account(t, map[string]string{"GetQueueAttributes": `{"Attributes":{"ApproximateNumberOfMessages":"` + n + `"}}`})
		wants(t, doctor.CheckDeadLetters(t.Context(), sdk, "RetryDlq", "https://sqs/1/dlq"), map[string][]string{"queue RetryDlq": want})
	}
	depth("0", "ok")
	depth("3", "warn", "3 messages", "restock redrive")
}

func TestCheckTopic(t *testing.T) {
	const arn = "arn:aws:sns:eu-west-1:123456789012:news"
	topic := func(policy string) string {
		return `<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>Policy</key><value>` + policy +
			`</value></entry></Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>`
	}
	heard := func(protocol string) string {
		return `<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions><member><Protocol>` + protocol +
			`</Protocol></member></Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>`
	}
	const good = `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::476877469412:root"},"Action":"sns:Publish"}]}`
	for name, c := range map[string]struct {
		policy, protocol string
		want             []string
	}{
		"well":             {good, "lambda", []string{"ok", arn}},
		"nobody listens":   {good, "email", []string{"fail", "No function listens"}},
		"owner alone":      {`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:Publish"],"Condition":{"x":"y"}}]}`, "lambda", []string{"fail", "does not let DRS publish"}},
		"denied":           {strings.Replace(good, "Allow", "Deny", 1), "lambda", []string{"fail", "does not let DRS publish"}},
		"malformed policy": {"{", "lambda", []string{"fail", "does not let DRS publish"}},
	} {
		t.Run(name, func(t *testing.T) {
			sdk := account(t, map[string]string{"GetTopicAttributes": topic(c.policy), "ListSubscriptionsByTopic": heard(c.protocol)})
			wants(t, doctor.CheckTopic(t.Context(), sdk, arn), map[string][]string{"topic of notifications": c.want})
		})
	}
}

func TestCheckAlarms(t *testing.T) {
	const arn = "arn:aws:sns:eu-west-1:123456789012:alarms"
	member := func(subscription string) string {
		return `<member><Protocol>email</Protocol><SubscriptionArn>` + subscription + `</SubscriptionArn></member>`
	}
	for name, c := range map[string]struct {
		heard string
		want  []string
	}{
		"confirmed":     {member("PendingConfirmation") + member(arn+":1"), []string{"ok"}},
		"not confirmed": {member("PendingConfirmation"), []string{"warn", arn, "not confirmed", "first mail"}},
		"nobody":        {"", []string{"warn", arn, "AlarmEmail"}},
	} {
		t.Run(name, func(t *testing.T) {
			sdk := account(t, map[string]string{"ListSubscriptionsByTopic": `<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>` +
				c.heard + `</Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>`})
			wants(t, doctor.CheckAlarms(t.Context(), sdk, arn), map[string][]string{"topic of alarms": c.want})
		})
	}
}
