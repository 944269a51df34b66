package permissions

import (
	"fmt"
	"strings"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/samtest/template"
)

// keyed are the types whose data may be encrypted with a key of the account, and where
// they name it. CloudWatch Logs and Lambda use theirs in their own name.
var keyed = map[string][]string{
	"AWS::DynamoDB::Table":        {"SSESpecification", "KMSMasterKeyId"},
	"AWS::SQS::Queue":             {"KmsMasterKeyId"},
	"AWS::SecretsManager::Secret": {"KmsKeyId"},
}

// Keys returns the calls of KMS that services make for whoever makes these calls, where
// what they are about is encrypted with a key of the account.
//
// Sources: docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html,
// …/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html,
// …/secretsmanager/latest/userguide/security-encryption.html
func Keys(s *cfn.Stack, calls []Call) ([]Call, error) {
	keys := map[string]string{} // by ARN
	for name, r := range s.Template.Resources {
		place, ok := keyed[r.Type]
		if !ok {
			continue
		}
		properties, err := s.Resolve(r.Properties)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if key, ok := cfn.At(properties, place...).(string); ok {
			keys[s.Attributes[name]["Arn"].(string)] = key
		}
	}
	var all []Call
	for _, c := range calls {
		resource, _, _ := strings.Cut(c.Resource, "/index/")
		key := keys[resource]
		if key == "" {
			continue
		}
		service, _, _ := strings.Cut(c.Action, ":")
		via := service + "." + template.Region + ".amazonaws.com"
		for _, action := range kmsOf(c.Action) {
			all = append(all, Call{Action: action, Resource: key, Via: via, Why: "for " + c.Action})
		}
	}
	return all, nil
}

// kmsOf returns what a call of a service needs of a key.
func kmsOf(action string) []string {
	switch action {
	case "sqs:SendMessage":
		return []string{"kms:GenerateDataKey", "kms:Decrypt"}
	case "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility":
		return nil
	}
	return []string{"kms:Decrypt"}
}
