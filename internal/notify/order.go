package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/placed"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
)

// Statuses of an order, as devices are told and the record has them.
const (
	StatusPlaced    = placed.Status
	StatusShipped   = "shipped"
	StatusCancelled = "cancelled"
)

var statuses = map[drs.NotificationType]string{
	drs.OrderPlaced: StatusPlaced, drs.ItemShipped: StatusShipped, drs.OrderCancelled: StatusCancelled,
}

// ranks order what was sent in the same millisecond.
var ranks = map[string]int{StatusPlaced: 1, StatusShipped: 2, StatusCancelled: 3}

// order stores what became of an order and tells the device.
func (h *Handler) order(ctx context.Context, n *notice) (string, error) {
	if err := h.notePlaced(ctx, n); err != nil {
		return failed, err
	}
	o, fresh, err := h.keepOrder(ctx, n)
	switch {
	case err != nil:
		return failed, fmt.Errorf("storing an order of %s: %w", n.reg.Thing, err)
	case !fresh:
		return stale, nil
	}
	return done, h.Publisher.Publish(ctx, o.Thing, message.EventOrder, message.Order{
		Thing: o.Thing, Slot: o.Slot, InstanceID: o.InstanceID,
		Status: o.Status, ExpectedDelivery: o.ExpectedDelivery, At: o.At,
	})
}

// notePlaced notes that an order was placed. What becomes of one says so too, and may come
// first: then it stands for the time until that is known.
func (h *Handler) notePlaced(ctx context.Context, n *notice) error {
	if n.Order.SlotID == "" {
		return nil
	}
	if n.Type != drs.OrderPlaced {
		known := &store.Order{Thing: n.reg.Thing, InstanceID: n.Order.InstanceID}
		if err := h.get(ctx, known); err != nil || known.Version > 0 {
			return err
		}
	}
	return placed.Note(ctx, h.Store, n.reg.Thing, n.Order.SlotID, n.Order.InstanceID, n.at)
}

// keepOrder writes n onto the record of its order. fresh is false where that tells of
// something newer.
func (h *Handler) keepOrder(ctx context.Context, n *notice) (o *store.Order, fresh bool, err error) {
	err = store.ErrConflict
	for try := 0; try < tries && errors.Is(err, store.ErrConflict); try++ {
		o = &store.Order{Thing: n.reg.Thing, InstanceID: n.Order.InstanceID}
		if err := h.get(ctx, o); err != nil {
			return nil, false, err
		}
		status := statuses[n.Type]
		switch age := n.at.Compare(o.At); {
		case age < 0, age == 0 && ranks[status] < ranks[o.Status]:
			return o, false, nil
		case age == 0 && status == o.Status:
			return o, true, nil // by an earlier delivery, whose telling failed
		}
		n.onto(o, status)
		err = h.Store.Put(ctx, o)
	}
	return o, true, err
}

// onto writes what n says onto an order. A cancellation names no products: what is known
// of them stays.
func (n *notice) onto(o *store.Order, status string) {
	o.Status, o.At, o.ExpectedDelivery = status, n.at, n.Order.EstimatedDelivery
	if n.Order.SlotID != "" {
		o.Slot = n.Order.SlotID
	}
	if len(n.Order.Products) > 0 && n.Order.Products[0].ASIN != "" {
		o.Product = n.Order.Products[0].ASIN
	}
}
