package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
	"github.com/restock-dev/restock/samtest/template"
)

// made are the types that moto's CloudFormation makes, and the attributes of theirs that
// it tells.
var made = map[string][]string{
	"AWS::DynamoDB::Table": {"", "Arn"},
	"AWS::SQS::Queue":      {"", "Arn", "QueueName"},
	"AWS::SNS::Topic":      {"", "TopicName"},
}

// create makes the resources.
func (s *Stack) create(ctx context.Context) error {
	if err := s.cloudFormation(ctx); err != nil {
		return err
	}
	if err := s.derive(); err != nil {
		return err
	}
	if err := s.table(ctx); err != nil {
		return err
	}
	for _, name := range s.Resolver.Template.OfType("AWS::SecretsManager::Secret") {
		if err := s.secret(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// cloudFormation hands moto the resources that it can make, as they are translated, and
// asks for their names by outputs.
func (s *Stack) cloudFormation(ctx context.Context) error {
	whole := s.Resolver.Template
	part := map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Parameters": whole.Parameters, "Conditions": whole.Conditions}
	if len(whole.Mappings) > 0 {
		part["Mappings"] = whole.Mappings
	}
	resources, outputs := map[string]template.Resource{}, map[string]template.Output{}
	type place struct{ resource, attribute string }
	places := map[string]place{}
	for name, resource := range whole.Resources {
		for _, attribute := range made[resource.Type] {
			resources[name] = resource
			value := map[string]any{"Fn::GetAtt": []string{name, attribute}}
			if attribute == "" {
				value = map[string]any{"Ref": name}
			}
			outputs[name+"0"+attribute] = template.Output{Condition: resource.Condition, Value: value}
			places[name+"0"+attribute] = place{name, attribute}
		}
	}
	part["Resources"], part["Outputs"] = resources, outputs
	text, err := json.Marshal(part)
	if err != nil {
		return err
	}
	found, err := s.createStack(ctx, string(text))
	for output, value := range found {
		s.attribute(places[output].resource, places[output].attribute, value)
	}
	return err
}

func (s *Stack) createStack(ctx context.Context, body string) (outputs map[string]string, err error) {
	client := cloudformation.New(cloudformation.Options{Region: template.Region, BaseEndpoint: &s.host.motoURL, Credentials: testCredentials})
	in := &cloudformation.CreateStackInput{StackName: &s.Name, TemplateBody: &body}
	for name, value := range s.parameters {
		in.Parameters = append(in.Parameters, parameter(name, value))
	}
	if _, err := client.CreateStack(ctx, in); err != nil {
		return nil, err
	}
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.Name})
	if err != nil {
		return nil, err
	}
	outputs = map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return outputs, nil
}

func (s *Stack) attribute(resource, name string, value any) {
	if s.Resolver.Attributes[resource] == nil {
		s.Resolver.Attributes[resource] = map[string]any{}
	}
	s.Resolver.Attributes[resource][name] = value
}

// table makes the one table in DynamoDB Local, too, under the name that moto gave it.
func (s *Stack) table(ctx context.Context) error {
	text, err := json.Marshal(s.Resolver.Template)
	if err != nil {
		return err
	}
	definition, err := dynamotest.Parse(text)
	if err != nil {
		return err
	}
	s.Table = s.Ref(s.Resolver.Template.OfType("AWS::DynamoDB::Table")[0])
	s.Store = &dynamo.Store{Client: s.DynamoDB, Table: s.Table}
	return definition.Create(ctx, s.DynamoDB, s.Table)
}

func (s *Stack) clearTable(ctx context.Context) error {
	pages := dynamodb.NewScanPaginator(s.DynamoDB, &dynamodb.ScanInput{TableName: &s.Table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("emptying the table: %w", err)
		}
		for _, item := range page.Items {
			key := map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]}
			if _, err := s.DynamoDB.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.Table, Key: key}); err != nil {
				return fmt.Errorf("emptying the table: %w", err)
			}
		}
	}
	return nil
}

// secret makes a secret in Secrets Manager: with the text that the resource has, or with
// one that is generated as it says.
func (s *Stack) secret(ctx context.Context, name string) error {
	resolved, err := s.Resolver.Resolve(s.Resolver.Template.Resources[name].Properties)
	if err != nil {
		return err
	}
	text, err := json.Marshal(resolved)
	if err != nil {
		return err
	}
	var p struct {
		SecretString         string
		GenerateSecretString *generate
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if p.GenerateSecretString != nil {
		if p.SecretString, err = p.GenerateSecretString.text(ctx, s.Secrets); err != nil {
			return err
		}
	}
	out, err := s.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(s.Name + "-" + name), SecretString: &p.SecretString})
	if err != nil {
		return err
	}
	s.attribute(name, "", aws.ToString(out.ARN))
	s.attribute(name, "Id", aws.ToString(out.ARN))
	return nil
}

// generate is what CloudFormation makes a secret of.
type generate struct {
	SecretStringTemplate, GenerateStringKey string
	PasswordLength                          int64
	ExcludePunctuation                      bool
}

func (g *generate) text(ctx context.Context, client *secretsmanager.Client) (string, error) {
	out, err := client.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{
		PasswordLength: &g.PasswordLength, ExcludePunctuation: &g.ExcludePunctuation,
	})
	if err != nil {
		return "", err
	}
	members := map[string]string{}
	if err := json.NewDecoder(strings.NewReader(g.SecretStringTemplate)).Decode(&members); err != nil {
		return "", fmt.Errorf("SecretStringTemplate: %w", err)
	}
	members[g.GenerateStringKey] = aws.ToString(out.RandomPassword)
	text, err := json.Marshal(members)
	return string(text), err
}
