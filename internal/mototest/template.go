package mototest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"gopkg.in/yaml.v3"
)

// known are the types of resources that moto makes as CloudFormation does.
var known = []string{"AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::SNS::Topic"}

// secret is what CloudFormation generates a secret from.
type secret struct {
	Template           string `yaml:"SecretStringTemplate"`
	Key                string `yaml:"GenerateStringKey"`
	Length             int64  `yaml:"PasswordLength"`
	ExcludePunctuation bool   `yaml:"ExcludePunctuation"`
}

// template is template.yaml with what is known, and the outputs that speak of nothing else.
// moto's CloudFormation knows no secrets and no IoT rules, and no physical ID of an IoT
// policy: in place of each stands something that has its name as physical ID.
func template(t *testing.T) (text string, secrets map[string]secret) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(read(t), &doc); err != nil {
		t.Fatal(err)
	}
	root := doc.Content[0]
	resources, dropped := child(root, "Resources"), []string{}
	secrets = map[string]secret{}
	resources.Content = keep(resources.Content, func(name string, r *yaml.Node) bool {
		if generated := child(child(r, "Properties"), "GenerateSecretString"); generated != nil {
			var s secret
			if err := generated.Decode(&s); err != nil {
				t.Fatal(err)
			}
			secrets[Stack+"-"+name] = s
			standIn(t, r, &yaml.Node{Kind: yaml.ScalarNode, Value: Stack + "-" + name})
			return true
		}
		switch child(r, "Type").Value {
		case "AWS::IoT::TopicRule":
			standIn(t, r, child(child(r, "Properties"), "RuleName"))
			return true
		case "AWS::IoT::Policy":
			standIn(t, r, &yaml.Node{Kind: yaml.ScalarNode, Value: Stack + "-" + name})
			return true
		}
		ok := slices.Contains(known, child(r, "Type").Value) && child(r, "Condition") == nil
		if !ok {
			dropped = append(dropped, name)
		}
		return ok
	})
	outputs := child(root, "Outputs")
	outputs.Content = keep(outputs.Content, func(_ string, o *yaml.Node) bool {
		text, err := yaml.Marshal(o)
		return err == nil && !slices.ContainsFunc(dropped, func(name string) bool { return strings.Contains(string(text), name) })
	})
	root.Content = keep(root.Content, func(name string, _ *yaml.Node) bool {
		return slices.Contains([]string{"AWSTemplateFormatVersion", "Parameters", "Conditions", "Resources", "Outputs"}, name)
	})
	out, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), secrets
}

// standIn makes a parameter of the Systems Manager of r, whose physical ID is a name.
func standIn(t *testing.T, r, name *yaml.Node) {
	t.Helper()
	stand := map[string]any{"Type": "AWS::SSM::Parameter", "Properties": map[string]any{"Name": name, "Type": "String", "Value": "-"}}
	if err := r.Encode(stand); err != nil {
		t.Fatal(err)
	}
}

// makeSecrets makes secrets as CloudFormation generates them.
func makeSecrets(ctx context.Context, t *testing.T, all map[string]secret) {
	t.Helper()
	c := secretsmanager.New(secretsmanager.Options{Region: region, BaseEndpoint: endpoint(), Credentials: keys})
	for name, s := range all {
		password, err := c.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{
			PasswordLength: &s.Length, ExcludePunctuation: &s.ExcludePunctuation,
		})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSuffix(s.Template, "}") + `,"` + s.Key + `":"` + aws.ToString(password.RandomPassword) + `"}`
		if _, err := c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text}); err != nil {
			t.Fatal(err)
		}
	}
}

// makePolicy makes the policy of the devices, which here allows nothing.
func makePolicy(ctx context.Context, t *testing.T) {
	t.Helper()
	c := iot.New(iot.Options{Region: region, BaseEndpoint: endpoint(), Credentials: keys})
	_, err := c.CreatePolicy(ctx, &iot.CreatePolicyInput{
		PolicyName: aws.String(Stack + "-DevicePolicy"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func keep(members []*yaml.Node, ok func(string, *yaml.Node) bool) (kept []*yaml.Node) {
	for i := 0; i+1 < len(members); i += 2 {
		if ok(members[i].Value, members[i+1]) {
			kept = append(kept, members[i], members[i+1])
		}
	}
	return kept
}
