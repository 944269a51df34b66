package keyring

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/seal"
)

// sealedFields are the attributes of records that hold sealed texts.
var sealedFields = []string{seal.FieldAccessToken, seal.FieldRefreshToken, seal.FieldVerifier}

// Usage counts, by the ID of a key, the records of a table that hold what it has sealed. It
// reads the whole table, in small steps: half a read unit for each 4 KB of it.
//
// Errors: those of [deployed.Explain].
func Usage(ctx context.Context, s *deployed.Stack) (map[string]int, error) {
	table, err := s.Resource("DeviceTable")
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	pages := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(s.AWS()), &dynamodb.ScanInput{
		TableName: &table, ProjectionExpression: aws.String("#a, #r, #v"),
		ExpressionAttributeNames: map[string]string{"#a": sealedFields[0], "#r": sealedFields[1], "#v": sealedFields[2]},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, deployed.Explain(err)
		}
		for _, item := range page.Items {
			var texts []string
			for _, field := range sealedFields {
				if text, ok := item[field].(*types.AttributeValueMemberS); ok {
					texts = append(texts, text.Value)
				}
			}
			Tally(used, texts...)
		}
	}
	return used, nil
}

// Tally counts a record that holds these sealed texts: once for each key among them.
func Tally(used map[string]int, sealed ...string) {
	seen := map[string]bool{}
	for _, text := range sealed {
		if id := seal.KeyID(text); id != "" && !seen[id] {
			seen[id] = true
			used[id]++
		}
	}
}
