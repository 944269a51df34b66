package dynamo_test

import (
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/internal/store/dynamo/dynamotest"
	"github.com/restock-dev/restock/internal/store/storetest"
)

func TestContract(t *testing.T) {
	client := dynamotest.Client(t)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return &dynamo.Store{Client: client, Table: dynamotest.Table(t, client), Now: now}
	})
}
