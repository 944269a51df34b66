package storetest

import (
	"reflect"
	"time"

	"github.com/restock-dev/restock/internal/store"
)

const device = "ACME-VAC-1::SN0001"

// kinds has an empty record of every type for two parts of a key; the second is
// ignored where the first is all there is.
var kinds = map[string]func(a, b string) store.Record{
	"Registration": func(a, _ string) store.Record { return &store.Registration{Thing: a} },
	"Message":      func(a, b string) store.Record { return &store.Message{Thing: a, ID: b} },
	"Order":        func(a, b string) store.Record { return &store.Order{Thing: a, InstanceID: b} },
	"Login":        func(a, _ string) store.Record { return &store.Login{StateHash: a} },
	"Pairing":      func(a, _ string) store.Record { return &store.Pairing{ID: a} },
	"Notification": func(a, b string) store.Record { return &store.Notification{Thing: a, ID: b} },
}

// message returns a record of the most ordinary kind.
func message(id string) *store.Message {
	return &store.Message{Thing: device, ID: id, Slot: "filter", State: store.Claimed}
}

// filled returns rec with every field set but its key, its version and its expiry, so
// that a field added to a record is tested too. Times have nanoseconds and a zone.
func filled(rec store.Record, text string) store.Record {
	key := rec.Key()
	full := clone(rec)
	fill(reflect.ValueOf(full).Elem(), text)
	setKey(full, rec)
	if r, ok := full.(*store.Registration); ok {
		r.DueShard = "7" // a number that we choose, and the key of an index, which may not be long
	}
	full.Base().Version = 0
	full.Base().ExpiresAt = time.Time{}
	if full.Key() != key {
		panic("a record changed its key")
	}
	return full
}

// setKey copies the strings that make up the key.
func setKey(to, from store.Record) {
	a, b := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		if f := a.Field(i); f.Kind() == reflect.String && inKey(from, name) {
			f.Set(b.Field(i))
		}
	}
}

// inKey reports whether a field is part of rec's key: whether the key changes with it.
func inKey(rec store.Record, field string) bool {
	other := clone(rec)
	f := reflect.ValueOf(other).Elem().FieldByName(field)
	f.SetString(f.String() + "x")
	return other.Key() != rec.Key()
}

// keyOnly returns a new record with the key of rec.
func keyOnly(rec store.Record) store.Record {
	fresh := reflect.New(reflect.TypeOf(rec).Elem()).Interface().(store.Record)
	setKey(fresh, rec)
	return fresh
}

var timeType = reflect.TypeFor[time.Time]()

func fill(v reflect.Value, text string) {
	switch {
	case v.Type() == timeType:
		zone := time.FixedZone("", 3600)
		v.Set(reflect.ValueOf(start.Add(time.Duration(len(v.Type().String())) * time.Hour).In(zone)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.CanInt():
		v.SetInt(1<<31 + 7)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		panic("storetest doesn't know how to fill a " + v.Type().String())
	}
}

// stamped returns rec as a store gives it back: times to the millisecond, in UTC.
func stamped(rec store.Record) store.Record {
	c := clone(rec)
	stamp(reflect.ValueOf(c).Elem())
	return c
}

func stamp(v reflect.Value) {
	switch {
	case v.Type() == timeType:
		if t := v.Interface().(time.Time); !t.IsZero() {
			v.Set(reflect.ValueOf(time.UnixMilli(t.UnixMilli()).UTC()))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			stamp(v.Field(i))
		}
	}
}

// clone copies a record. Slices are copied too; none of ours holds a pointer.
func clone(rec store.Record) store.Record {
	from := reflect.ValueOf(rec).Elem()
	to := reflect.New(from.Type())
	to.Elem().Set(from)
	for i := range from.NumField() {
		if f := to.Elem().Field(i); f.Kind() == reflect.Slice && !f.IsNil() {
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
		}
	}
	return to.Interface().(store.Record)
}
