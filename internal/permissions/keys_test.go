package permissions_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/internal/permissions"
)

const keyed = `
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {SSESpecification: {SSEEnabled: true, KMSMasterKeyId: 'arn:key'}}}
  Queue: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: 'arn:key'}}
  Open: {Type: AWS::SQS::Queue, Properties: {SqsManagedSseEnabled: true}}
  F: {Type: AWS::Serverless::Function, Properties: {Role: !GetAtt R.Arn}}
  R:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: dynamodb:Query, Resource: !Sub '${Table.Arn}/index/due'}
              - {Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Queue.Arn, !GetAtt Open.Arn]}
              - Effect: Allow
                Action: [kms:Decrypt, kms:GenerateDataKey]
                Resource: arn:key
                Condition: {StringEquals: {'kms:ViaService': [dynamodb.us-east-1.amazonaws.com, sqs.us-east-1.amazonaws.com]}}
`

// What is encrypted with a key needs the key as well, by way of its service alone.
func TestKeys(t *testing.T) {
	for name, tt := range map[string]struct{ old, with, want string }{
		"as it is":          {"", "", ""},
		"no data key":       {"[kms:Decrypt, kms:GenerateDataKey]", "kms:Decrypt", "kms:GenerateDataKey on arn:key via sqs.us-east-1.amazonaws.com (for sqs:SendMessage) is not allowed"},
		"a service missing": {"[dynamodb.us-east-1.amazonaws.com, ", "[", "kms:Decrypt on arn:key via dynamodb.us-east-1.amazonaws.com (for dynamodb:Query) is not allowed"},
		"a service more":    {"[dynamodb.us-east-1.amazonaws.com, ", "[s3.us-east-1.amazonaws.com, dynamodb.us-east-1.amazonaws.com, ", "arn:key is allowed via s3.us-east-1.amazonaws.com, and never used so"},
		"another key":       {"Resource: arn:key", "Resource: arn:other", "kms:Decrypt on arn:other is allowed, and never used"},
		"no queue with key": {"{KmsMasterKeyId: 'arn:key'}", "{SqsManagedSseEnabled: true}", "kms:GenerateDataKey on arn:key is allowed, and never used"},
	} {
		if !strings.Contains(keyed, tt.old) {
			t.Fatalf("%s: there is no %s to replace", name, tt.old)
		}
		s, err := cfn.Parse([]byte(strings.Replace(keyed, tt.old, tt.with, 1)), nil)
		if err != nil {
			t.Fatal(err)
		}
		grants, _, err := permissions.Function(s, "F")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		const account = ":us-east-1:123456789012:"
		calls := []permissions.Call{
			{Action: "dynamodb:Query", Resource: "arn:aws:dynamodb" + account + "table/Table/index/due"},
			{Action: "sqs:SendMessage", Resource: "arn:aws:sqs" + account + "Queue"},
			{Action: "sqs:SendMessage", Resource: "arn:aws:sqs" + account + "Open"},
		}
		ofKeys, err := permissions.Keys(s, calls)
		if err != nil {
			t.Fatal(err)
		}
		faults := permissions.Check(grants, append(calls, ofKeys...))
		if tt.want == "" && len(faults) > 0 || tt.want != "" && !slices.Contains(faults, tt.want) {
			t.Errorf("%s: faults = %q, want %q among them", name, faults, tt.want)
		}
	}
}

func TestOtherConditions(t *testing.T) {
	for _, condition := range []string{
		"{Bool: {a: true}}", "{StringEquals: {'aws:SourceVpc': x}}", "{StringEquals: {'kms:ViaService': x}, Bool: {a: true}}", "{StringEquals: {'kms:ViaService': []}}",
	} {
		text := keyed[:strings.Index(keyed, "Condition: ")] + "Condition: " + condition
		s, err := cfn.Parse([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if grants, _, err := permissions.Function(s, "F"); err == nil {
			t.Errorf("with %s: %v, want an error", condition, grants)
		}
	}
}
