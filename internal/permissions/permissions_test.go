package permissions_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/permissions"
)

func TestCheck(t *testing.T) {
	grants := []permissions.Grant{
		{Action: "dynamodb:GetItem", Resource: "arn:table"},
		{Action: "iot:Publish", Resource: "arn:topic/down/*/result"},
		{Action: "sqs:SendMessage", Resource: "arn:queue"},
	}
	calls := []permissions.Call{
		{Action: "dynamodb:GetItem", Resource: "arn:table"},
		{Action: "iot:Publish", Resource: "arn:topic/down/ACME::1/result"},
		{Action: "sqs:SendMessage", Resource: "arn:queue", Why: "Lambda"},
	}
	for name, tt := range map[string]struct {
		grants []permissions.Grant
		calls  []permissions.Call
		want   []string
	}{
		"fits":            {grants, calls, nil},
		"a call twice":    {grants, append(calls, calls...), nil},
		"nothing":         {nil, nil, nil},
		"a grant missing": {grants[1:], calls, []string{"dynamodb:GetItem on arn:table is not allowed"}},
		"AWS's missing":   {grants[:2], calls, []string{"sqs:SendMessage on arn:queue (Lambda) is not allowed"}},
		"a grant never used": {
			append(slices.Clone(grants), permissions.Grant{Action: "dynamodb:Scan", Resource: "arn:table"}), calls,
			[]string{"dynamodb:Scan on arn:table is allowed, and never used"},
		},
		"another resource": {
			grants, append(slices.Clone(calls), permissions.Call{Action: "dynamodb:GetItem", Resource: "arn:table/index/due"}),
			[]string{"dynamodb:GetItem on arn:table/index/due is not allowed"},
		},
		"another topic": {
			grants, append(slices.Clone(calls), permissions.Call{Action: "iot:Publish", Resource: "arn:topic/down/ACME::1/order"}),
			[]string{"iot:Publish on arn:topic/down/ACME::1/order is not allowed"},
		},
		"what could not be read": {
			grants, append(slices.Clone(calls), permissions.Call{}), []string{" on  is not allowed"},
		},
		"an action as a pattern": {
			[]permissions.Grant{{Action: "dynamodb:*", Resource: "arn:table"}},
			calls[:1],
			[]string{"dynamodb:* on arn:table is allowed, and never used", "dynamodb:GetItem on arn:table is not allowed"},
		},
	} {
		var denied []string
		for _, fault := range tt.want {
			if strings.HasSuffix(fault, " is not allowed") {
				denied = append(denied, fault)
			}
		}
		if diff := cmp.Diff(denied, permissions.Denied(tt.grants, tt.calls)); diff != "" {
			t.Errorf("%s: what is denied differs (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(append([]string{}, tt.want...), permissions.Check(tt.grants, tt.calls)); diff != "" {
			t.Errorf("%s: faults differ (-want +got):\n%s", name, diff)
		}
	}
}

const text = `
Parameters:
  Bus: {Type: String, Default: ''}
Conditions:
  HasBus: !Not [!Equals [!Ref Bus, '']]
Resources:
  Table: {Type: AWS::DynamoDB::Table}
  Queue: {Type: AWS::SQS::Queue}
  Logs: {Type: AWS::Logs::LogGroup}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt R.Arn
      LoggingConfig: {LogGroup: !Ref Logs}
      EventInvokeConfig:
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}}
      Events:
        Q: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
        S: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}
  R:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: p
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [logs:CreateLogStream, logs:PutLogEvents], Resource: !GetAtt Logs.Arn}
              - {Sid: Q, Effect: Allow, Action: [sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes], Resource: !GetAtt Queue.Arn}
              - {Effect: Allow, Action: dynamodb:GetItem, Resource: [!GetAtt Table.Arn, !Sub '${Table.Arn}/index/due']}
              - !If [HasBus, {Effect: Allow, Action: events:PutEvents, Resource: !Ref Bus}, !Ref AWS::NoValue]
`

func function(t *testing.T, text string) ([]permissions.Grant, []permissions.Call, error) {
	t.Helper()
	s, err := cfn.Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return permissions.Function(s, "F")
}

// Whatever is taken out of the policy or put into it is found.
func TestFunction(t *testing.T) {
	own := []permissions.Call{
		{Action: "dynamodb:GetItem", Resource: "arn:aws:dynamodb:us-east-1:123456789012:table/Table"},
		{Action: "dynamodb:GetItem", Resource: "arn:aws:dynamodb:us-east-1:123456789012:table/Table/index/due"},
	}
	for name, tt := range map[string]struct{ old, with, want string }{
		"as it is":           {"", "", ""},
		"no log":             {"- {Effect: Allow, Action: [logs:CreateLogStream, logs:PutLogEvents], Resource: !GetAtt Logs.Arn}", "", "logs:PutLogEvents"},
		"no polling":         {"sqs:ReceiveMessage, ", "", "sqs:ReceiveMessage on arn:aws:sqs:us-east-1:123456789012:Queue (Lambda polls"},
		"no destination":     {"sqs:SendMessage, ", "", "(Lambda hands events over"},
		"no index":           {", !Sub '${Table.Arn}/index/due'", "", "index/due is not allowed"},
		"no event source":    {"Q: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}", "", "sqs:DeleteMessage on arn:aws:sqs:us-east-1:123456789012:Queue is allowed, and never used"},
		"destination gone":   {"DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}}", "MaximumRetryAttempts: 1", "sqs:SendMessage on"},
		"one action more":    {"Action: dynamodb:GetItem", "Action: [dynamodb:GetItem, dynamodb:Scan]", "dynamodb:Scan"},
		"one resource more":  {"[!GetAtt Table.Arn,", "[!GetAtt Table.Arn, '*',", "dynamodb:GetItem on * is allowed, and never used"},
		"under a condition":  {"Default: ''", "Default: fleet", "events:PutEvents on fleet is allowed, and never used"},
		"not in the policy":  {"Action: dynamodb:GetItem", "Action: dynamodb:PutItem", "dynamodb:GetItem"},
		"traces not allowed": {"Role: !GetAtt R.Arn", "Role: !GetAtt R.Arn\n      Tracing: Active", "xray:PutTraceSegments"},
	} {
		if tt.old != "" && !strings.Contains(text, tt.old) {
			t.Fatalf("%s: there is no %s to replace", name, tt.old)
		}
		grants, byAWS, err := function(t, strings.Replace(text, tt.old, tt.with, 1))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		faults := permissions.Check(grants, append(byAWS, own...))
		if fits := tt.want == ""; fits != (len(faults) == 0) || !strings.Contains(strings.Join(faults, "\n"), tt.want) {
			t.Errorf("%s: faults = %q, want %q in them", name, faults, tt.want)
		}
	}
}

func TestNotUnderstood(t *testing.T) {
	for _, change := range [][2]string{
		{"Effect: Allow, Action: dynamodb", "Effect: Deny, Action: dynamodb"},
		{"Sid: Q,", "NotResource: x,"},
		{"!GetAtt R.Arn", "arn:aws:iam::1:role/other"},
		{"Policies:", "ManagedPolicyArns: [x]\n      Policies:"},
		{"  F:", "  G:"},
		{"!Ref Logs}", "!Ref Nothing}"},
		{"!Sub '${Table.Arn}/index/due'", "!Sub '${Nothing}'"},
	} {
		if grants, _, err := function(t, strings.Replace(text, change[0], change[1], 1)); err == nil {
			t.Errorf("with %s: %v, want an error", change[1], grants)
		}
	}
}
