package dynamotest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"gopkg.in/yaml.v3"
)

// Definition is a table as CloudFormation writes it: what of it a store depends on.
type Definition struct {
	AttributeDefinitions []struct {
		Name string                    `yaml:"AttributeName"`
		Type types.ScalarAttributeType `yaml:"AttributeType"`
	} `yaml:"AttributeDefinitions"`
	KeySchema []key `yaml:"KeySchema"`
	Indexes   []struct {
		Name       string `yaml:"IndexName"`
		KeySchema  []key  `yaml:"KeySchema"`
		Projection struct {
			Type types.ProjectionType `yaml:"ProjectionType"`
		} `yaml:"Projection"`
	} `yaml:"GlobalSecondaryIndexes"`
	TTL struct {
		Attribute string `yaml:"AttributeName"`
		Enabled   bool   `yaml:"Enabled"`
	} `yaml:"TimeToLiveSpecification"`
}

type key struct {
	Name string        `yaml:"AttributeName"`
	Type types.KeyType `yaml:"KeyType"`
}

// Parse finds the one table in the text of a template.
func Parse(template []byte) (*Definition, error) {
	var all struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(template, &all); err != nil {
		return nil, fmt.Errorf("parsing template: %w", err)
	}
	var found *Definition
	for name, resource := range all.Resources {
		if resource.Type != "AWS::DynamoDB::Table" {
			continue
		}
		if found != nil {
			return nil, errors.New("template has more than one table")
		}
		found = new(Definition)
		if err := resource.Properties.Decode(found); err != nil {
			return nil, fmt.Errorf("parsing table %s: %w", name, err)
		}
	}
	if found == nil || len(found.KeySchema) == 0 {
		return nil, errors.New("template has no table with a key")
	}
	return found, nil
}

// Deployed returns the table of the repository's template.yaml.
func Deployed() (*Definition, error) {
	root, err := root()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// root is the directory of go.mod, at or above the working directory.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the working directory is not in the repository")
		}
		dir = filepath.Dir(dir)
	}
}

// input is the request that makes the table.
func (d *Definition) input(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: schema(d.KeySchema)}
	for _, a := range d.AttributeDefinitions {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(a.Name), AttributeType: a.Type})
	}
	for _, i := range d.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(i.Name), KeySchema: schema(i.KeySchema), Projection: &types.Projection{ProjectionType: i.Projection.Type},
		})
	}
	return in
}

func schema(keys []key) (all []types.KeySchemaElement) {
	for _, k := range keys {
		all = append(all, types.KeySchemaElement{AttributeName: aws.String(k.Name), KeyType: k.Type})
	}
	return all
}

// CreateTable makes an empty table like the deployed one and waits until it is there.
func CreateTable(ctx context.Context, client *dynamodb.Client, name string) error {
	definition, err := Deployed()
	if err != nil {
		return err
	}
	return definition.Create(ctx, client, name)
}

// Create makes an empty table and waits until it is there.
func (d *Definition) Create(ctx context.Context, client *dynamodb.Client, name string) error {
	if _, err := client.CreateTable(ctx, d.input(name)); err != nil {
		return fmt.Errorf("creating table %s: %w", name, err)
	}
	soon := func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	}
	return dynamodb.NewTableExistsWaiter(client, soon).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, 10*time.Second)
}
