package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// table has the calls of a client that the store makes, one by one. Where a program uses
// html/template, the linker keeps every method of every value that is in an interface: as
// a client, all of DynamoDB's, which makes a function a fifth larger. The other services'
// calls are kept as functions for the same reason.
type table struct {
	get    func(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	put    func(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	remove func(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	query  func(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

func tableOf(c *dynamodb.Client) table { return table{c.GetItem, c.PutItem, c.DeleteItem, c.Query} }

func (t table) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return t.get(ctx, in, o...)
}

func (t table) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return t.put(ctx, in, o...)
}

func (t table) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, o ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	return t.remove(ctx, in, o...)
}

func (t table) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return t.query(ctx, in, o...)
}
