package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa"
)

const benchToken = "Atza|bench"

// warmDynamo measures the press of an IoT rule's event on a table, beside the least that
// it needs: two writes to that table and one round trip to DRS. It asks the DynamoDB
// that RESTOCK_TEST_DYNAMODB names, and is left out without one.
func warmDynamo(ctx context.Context, _ *built, rounds int) ([]row, error) {
	url := os.Getenv("RESTOCK_TEST_DYNAMODB")
	if url == "" {
		fmt.Fprintln(os.Stderr, "bench: RESTOCK_TEST_DYNAMODB is not set: no line for DynamoDB")
		return nil, nil
	}
	client, table := dynamotest.NewClient(url), "bench-"+rand.Text()
	if err := dynamotest.CreateTable(ctx, client, table); err != nil {
		return nil, err
	}
	device := drstest.Device{Model: "ACME-VAC-1", Serial: "BENCH"}
	box, err := drstest.New(drstest.Options{Authorize: drstest.Tokens(map[string]drstest.Device{benchToken: device})})
	if err != nil {
		return nil, err
	}
	if err := box.Start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	defer box.Close()
	h, err := handlerOn(ctx, &dynamo.Store{Client: client, Table: table}, box.URL)
	if err != nil {
		return nil, err
	}
	r := row{what: "warm replenish of a rule's event, DynamoDB's protocol", unit: "ms", peerName: "two PutItem and one sandbox round trip"}
	for i := range 20 * rounds {
		id := "rule-" + strconv.Itoa(i)
		from := time.Now()
		if err := h.Rule(ctx, pressEvent(id)); err != nil {
			return nil, fmt.Errorf("press %s: %w", id, err)
		}
		r.ours.add(time.Since(from))
		from = time.Now()
		if err := bare(ctx, client, table, id, box.URL); err != nil {
			return nil, err
		}
		r.peer.add(time.Since(from))
	}
	return []row{r}, nil
}

// handlerOn makes the replenish function's handler on a table with one registered device.
func handlerOn(ctx context.Context, db *dynamo.Store, drsURL string) (*replenish.Handler, error) {
	text, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	ring, err := seal.Parse(text)
	if err != nil {
		return nil, err
	}
	keeper := &tokens.Keeper{Store: db, Credentials: credentials.Static(credentials.LWA{ClientID: "bench"}), Keys: seal.Static(ring)}
	reg := &store.Registration{Thing: benchThing, DeviceModel: "ACME-VAC-1", Serial: "BENCH", Status: store.Active, Region: "na", ClientID: "bench"}
	token := &lwa.Token{AccessToken: lwa.NewSecret(benchToken), RefreshToken: lwa.NewSecret("Atzr|bench"), Expiry: time.Now().Add(time.Hour)}
	if err := keeper.Seal(ctx, reg, token); err != nil {
		return nil, err
	}
	if err := db.Put(ctx, reg); err != nil {
		return nil, err
	}
	return &replenish.Handler{Store: db, Keeper: keeper, DRS: &drs.Client{BaseURL: drsURL}, Publisher: results{}}, nil
}

// results takes what devices are told, and fails where a press did not reach DRS.
type results struct{}

func (results) Publish(_ context.Context, _, _ string, payload any) error {
	if r, ok := payload.(message.Result); ok {
		return pressed(r)
	}
	return nil
}

func pressEvent(id string) message.RuleEvent {
	data, _ := json.Marshal(message.Replenish{Slot: "filter", ID: id}) // two strings
	return message.RuleEvent{Data: data, Thing: benchThing, Action: message.ActionReplenish, ClientID: benchThing, TraceID: id, ReceivedAt: time.Now().UnixMilli()}
}

func bare(ctx context.Context, client *dynamodb.Client, table, id, drsURL string) error {
	item := map[string]types.AttributeValue{
		"pk":   &types.AttributeValueMemberS{Value: "BARE"},
		"sk":   &types.AttributeValueMemberS{Value: id},
		"text": &types.AttributeValueMemberB{Value: make([]byte, 500)},
	}
	put := func() error {
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: item})
		return err
	}
	if err := put(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, drsURL+"/replenish/filter", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return errors.Join(err, res.Body.Close(), put())
}
