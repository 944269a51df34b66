package functions_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
)

// spy keeps what the store asks of DynamoDB.
type spy struct {
	dynamo.Client
	put   *dynamodb.PutItemInput
	query *dynamodb.QueryInput
}

func (s *spy) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	s.put = in
	return new(dynamodb.PutItemOutput), nil
}

func (s *spy) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	s.query = in
	return new(dynamodb.QueryOutput), nil
}

// attribute is what DynamoDB calls the type of a value.
func attribute(t *testing.T, item map[string]types.AttributeValue, name string) string {
	t.Helper()
	switch item[name].(type) {
	case *types.AttributeValueMemberS:
		return "S"
	case *types.AttributeValueMemberN:
		return "N"
	}
	t.Errorf("the store writes no %s as text or number", name)
	return ""
}

// The table that is deployed has the keys, the index and the TTL that the store uses.
func TestTable(t *testing.T) {
	s := new(spy)
	records := &dynamo.Store{Client: s, Table: "devices"}
	due := &store.Registration{
		Meta: store.Meta{ExpiresAt: time.UnixMilli(1)}, Thing: "ACME::1", DueShard: "3", DueAt: time.UnixMilli(1),
	}
	if err := records.Put(t.Context(), due); err != nil {
		t.Fatal(err)
	}
	if _, err := records.Due(t.Context(), "3", time.UnixMilli(1), 1); err != nil {
		t.Fatal(err)
	}
	table := resources(template(t), "AWS::DynamoDB::Table")["DeviceTable"]

	declared := map[string]string{}
	for _, d := range table["AttributeDefinitions"].([]any) {
		name := at(d, "AttributeName").(string)
		declared[name] = at(d, "AttributeType").(string)
		if got := attribute(t, s.put.Item, name); got != declared[name] {
			t.Errorf("the table declares %s as %s, the store writes %s", name, declared[name], got)
		}
	}
	if diff := cmp.Diff([]string{"pk HASH", "sk RANGE"}, schema(table)); diff != "" {
		t.Errorf("key differs (-want +got):\n%s", diff)
	}
	index := table["GlobalSecondaryIndexes"].([]any)[0].(object)
	if got := index["IndexName"]; got != *s.query.IndexName {
		t.Errorf("the index is %v, the store asks %s", got, *s.query.IndexName)
	}
	asked := slices.Sorted(maps.Values(s.query.ExpressionAttributeNames))
	var keyed []string
	for _, k := range index["KeySchema"].([]any) {
		keyed = append(keyed, at(k, "AttributeName").(string))
	}
	slices.Sort(keyed)
	if diff := cmp.Diff(keyed, asked); diff != "" {
		t.Errorf("the index has other keys than the store asks for (-index +store):\n%s", diff)
	}
	if got := at(index, "Projection", "ProjectionType"); got != "KEYS_ONLY" {
		t.Errorf("the index holds %v: only keys are read, and all else is paid twice", got)
	}
	ttl, _ := at(table, "TimeToLiveSpecification", "AttributeName").(string)
	if attribute(t, s.put.Item, ttl) != "N" || at(table, "TimeToLiveSpecification", "Enabled") != true {
		t.Errorf("expired records stay: DynamoDB removes by %q", ttl)
	}
}

func schema(table object) []string {
	var keys []string
	for _, k := range table["KeySchema"].([]any) {
		keys = append(keys, at(k, "AttributeName").(string)+" "+at(k, "KeyType").(string))
	}
	return keys
}
