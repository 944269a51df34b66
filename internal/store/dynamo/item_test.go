package dynamo_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
)

// item reads what DynamoDB has of a record, as text.
func item(t *testing.T, client *dynamodb.Client, table string, k store.Key) map[string]string {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: k.PK}, "sk": &types.AttributeValueMemberS{Value: k.SK},
	}})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name, v := range out.Item {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			all[name] = v.Value
		case *types.AttributeValueMemberN:
			all[name] = "number " + v.Value
		default:
			all[name] = "more"
		}
	}
	return all
}

// What an operator, the TTL and the index find in the table.
func TestItem(t *testing.T) {
	client := dynamotest.Client(t)
	table := dynamotest.Table(t, client)
	s := &dynamo.Store{Client: client, Table: table}
	at := time.Date(2126, 1, 8, 10, 0, 0, 1e6+1, time.UTC) // a millisecond and a bit
	rec := &store.Registration{
		Meta:  store.Meta{ExpiresAt: at},
		Thing: "A::1", DeviceModel: "A", Serial: "1", Status: store.Active, AccessToken: "v1.k1.sealed",
		DueShard: "3", DueAt: at, Slots: []message.Slot{{Slot: "filter", Subscribed: true}},
	}
	if err := s.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	got := item(t, client, table, rec.Key())
	if len(got["write"]) < 20 {
		t.Errorf("write = %q, want something random", got["write"])
	}
	delete(got, "write")
	second := at.Unix() // at is after it, so the next one is the first that may remove it
	want := map[string]string{
		"pk": "D#A::1", "sk": "REG", "version": "number 1", "ttl": "number " + strconv.FormatInt(second+1, 10),
		"thing": "A::1", "device_model": "A", "serial": "1", "status": "active", "access_token": "v1.k1.sealed",
		"grant": "", "region": "", "client_id": "", "slots": "more",
		"due_shard": "3", "due_at": "number " + strconv.FormatInt(second, 10) + "001", "expires_at": "number " + strconv.FormatInt(second, 10) + "001",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("item differs (-want +got):\n%s", diff)
	}
}

// The deployed table has the attributes that the store writes.
func TestDeployedTable(t *testing.T) {
	d, err := dynamotest.Deployed()
	if err != nil {
		t.Fatal(err)
	}
	if d.TTL.Attribute != "ttl" || !d.TTL.Enabled {
		t.Errorf("the template's TTL is %+v, want ttl", d.TTL)
	}
	if len(d.Indexes) != 1 || d.Indexes[0].Name != "due" || d.Indexes[0].Projection.Type != types.ProjectionTypeKeysOnly {
		t.Errorf("the template's indexes are %+v, want due with keys only", d.Indexes)
	}
}

func TestParseTable(t *testing.T) {
	const table = "  T: {Type: 'AWS::DynamoDB::Table', Properties: {BillingMode: !Ref Mode, KeySchema: [{AttributeName: pk, KeyType: HASH}]}}\n"
	for _, tt := range []struct{ name, text, want string }{
		{"no YAML", "\t{", "parsing template"},
		{"no table", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: !If [A, B, C]}\n", "no table"},
		{"two tables", "Resources:\n" + table + strings.Replace(table, "T:", "U:", 1), "more than one table"},
		{"a table that is a text", "Resources:\n  T: {Type: 'AWS::DynamoDB::Table', Properties: x}\n", "parsing table T"},
		{"no key", "Resources:\n  T: {Type: 'AWS::DynamoDB::Table', Properties: {}}\n", "no table with a key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := dynamotest.Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse() = %v, want %q", err, tt.want)
			}
		})
	}
	d, err := dynamotest.Parse([]byte("Conditions: {A: !Equals [!Ref B, '']}\nResources:\n" + table))
	if err != nil || d.KeySchema[0].Name != "pk" || d.KeySchema[0].Type != types.KeyTypeHash {
		t.Errorf("Parse() = %+v, %v", d, err)
	}
}

// An item that somebody wrote by hand is an error, not a half-filled record.
func TestForeignItem(t *testing.T) {
	client := dynamotest.Client(t)
	s := &dynamo.Store{Client: client, Table: dynamotest.Table(t, client)}
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.Table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "D#A::1"}, "sk": &types.AttributeValueMemberS{Value: "MSG#1"},
		"slot": &types.AttributeValueMemberS{Value: "filter"}, "attempts": &types.AttributeValueMemberS{Value: "many"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rec := &store.Message{Thing: "A::1", ID: "1"}
	err = s.Get(t.Context(), rec)
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) || !strings.HasPrefix(err.Error(), "reading message: ") {
		t.Errorf("Get() = %v, want an error that no retry helps", err)
	}
	if rec.Slot != "" {
		t.Errorf("Get() filled a record that it could not read: %+v", rec)
	}
}
