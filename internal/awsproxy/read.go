package awsproxy

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// service is one of AWS: how its calls are read and its errors are worded.
type service struct {
	prefix   string // of its actions in policies
	errors   map[Kind]answer
	resource func(in *names, a address) string
}

// names are the members of requests that name resources.
type names struct {
	TableName, IndexName string
	QueueURL             string `json:"QueueUrl"`
	SecretID             string `json:"SecretId"`
	Entries              []struct{ EventBusName string }
}

// address is the part of an ARN that the call itself does not name.
type address struct{ region, account string }

func (a address) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + a.region + ":" + a.account + ":" + resource
}

// named returns an ARN for what callers name by its name or by its ARN.
func (a address) named(service, kind, name string) string {
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "arn:"):
		return name
	}
	return a.arn(service, kind+name)
}

// services are those that can be told from the target of a JSON call.
var services = map[string]*service{
	"DynamoDB_20120810": {prefix: "dynamodb", errors: dynamoErrors, resource: func(in *names, a address) string {
		table := a.named("dynamodb", "table/", in.TableName)
		if in.IndexName != "" {
			table += "/index/" + in.IndexName
		}
		return table
	}},
	"AmazonSQS": {prefix: "sqs", errors: sqsErrors, resource: func(in *names, a address) string {
		_, path, _ := strings.Cut(in.QueueURL, "://")
		parts := strings.Split(path, "/") // host, account, name
		if len(parts) != 3 {
			return ""
		}
		a.account = parts[1]
		return a.arn("sqs", parts[2])
	}},
	"secretsmanager": {prefix: "secretsmanager", errors: secretsErrors, resource: func(in *names, a address) string {
		return a.named("secretsmanager", "secret:", in.SecretID)
	}},
	"AWSEvents": {prefix: "events", errors: eventsErrors, resource: func(in *names, a address) string {
		name := ""
		for i, e := range in.Entries {
			if i > 0 && e.EventBusName != name {
				return ""
			}
			name = e.EventBusName
		}
		return a.named("events", "event-bus/", name)
	}},
}

// iotData is the one whose calls are told by their path.
var iotData = &service{prefix: "iot", errors: iotErrors}

// unknown is for all that is not understood. It is forwarded, and shows up without action.
var unknown = &service{errors: secretsErrors}

// shared are calls that policies know by the name of another.
var shared = map[string]string{
	"SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage", "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}

// credential finds the caller and the region in a signature.
var credential = regexp.MustCompile(`Credential=([^/, ]+)/\d*/([^/, ]+)/`)

// read tells what a request is about.
func read(r *http.Request, body []byte, account string) (*service, *Call) {
	c := &Call{At: time.Now()}
	a := address{account: account}
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.Caller, a.region = m[1], m[2]
	}
	if topic, ok := strings.CutPrefix(r.URL.Path, "/topics/"); ok && r.Method == http.MethodPost {
		c.API, c.Action, c.Resource, c.Body = "Publish", "iot:Publish", a.arn("iot", "topic/"+topic), string(body)
		return iotData, c
	}
	target, api, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s := services[target]
	if s == nil {
		c.API = r.Method + " " + r.URL.Path
		return unknown, c
	}
	c.API, c.Action = api, s.prefix+":"+api
	if name := shared[api]; name != "" {
		c.Action = s.prefix + ":" + name
	}
	var in names
	if json.Unmarshal(body, &in) == nil {
		c.Resource = s.resource(&in, a)
	}
	if s.prefix != "dynamodb" { // whose items are long, and nobody's business
		c.Body = string(body)
	}
	return s, c
}
