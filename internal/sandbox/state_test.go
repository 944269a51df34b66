package sandbox_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestSurvivesRestart(t *testing.T) {
	keep := new(memory)
	w := open(t, keep)
	token := w.pair(t)
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, keep)
	if _, err := again.lwa.Refresh(t.Context(), token.RefreshToken); err != nil {
		t.Errorf("Refresh() after a restart = %v", err)
	}
	second, err := again.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil || second.DetailCode != drs.OrderInProgress || second.EventInstanceID != r.EventInstanceID {
		t.Errorf("Replenish() after a restart = %+v, %v; want the open order", second, err)
	}
	if n := len(again.DRS.Orders()); n != 1 {
		t.Errorf("%d orders after a restart, want 1", n)
	}
}

func TestKeepFails(t *testing.T) {
	keep := &memory{fail: errors.New("disk full")}
	client := lwatest.DefaultClient()
	if _, err := sandbox.New(sandbox.Options{Client: client, Keep: keep}); err == nil {
		t.Error("a state that can't be read was passed over")
	}
	keep.fail = nil
	w := open(t, keep)
	keep.fail = errors.New("disk full")
	if err := w.Advance(time.Hour); err == nil || w.Clock().Offset() != 0 {
		t.Errorf("Advance() = %v with offset %v, want an error and none", err, w.Clock().Offset())
	}
}

func TestDamagedState(t *testing.T) {
	keep := &memory{spaces: map[string]map[string]sandbox.Record{
		"drs": {"order/1": {Key: "order/1", Value: json.RawMessage(`{"id":`)}},
	}}
	if _, err := sandbox.New(sandbox.Options{Client: lwatest.DefaultClient(), Keep: keep}); err == nil {
		t.Error("damaged state was passed over")
	}
}
