package models

import (
	"context"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/value"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// valueHistory is how many values a node keeps of each value.
const valueHistory = 100

var values = kind[*value.Value]{value.DefaultChannel, func(r *replica.Replica, channel string) (*value.Value, error) {
	return value.Mount(r, channel, value.Config{History: valueHistory})
}}

// Version is a value and the update that wrote it.
type Version struct {
	Data
	Origin
}

// ValueChange is one change of a value.
type ValueChange struct {
	Old   *Version `json:"old,omitempty"`
	New   *Version `json:"new,omitempty"`
	Local bool     `json:"local"`
	Lost  uint64   `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// The operations on values.
var (
	ValueGet = read(values, "get", func(_ context.Context, v *value.Value, _ None) (Version, error) {
		e, ok := v.Get()
		if !ok {
			return Version{}, fmt.Errorf("models: %w: nobody has set the value", ErrNothing)
		}
		return *newVersion(&e), nil
	})
	// ValueHistory answers with the last values, the newest last.
	ValueHistory = each(values, "history", func(_ context.Context, v *value.Value, _ None) iter.Seq2[Version, error] {
		return func(yield func(Version, error) bool) {
			for _, e := range v.History() {
				if !yield(*newVersion(&e), nil) {
					return
				}
			}
		}
	})
	ValueSet = write(values, "set", func(ctx context.Context, v *value.Value, bytes []byte) (wire.Ref, error) {
		return v.Set(ctx, bytes)
	})
	ValueWatch = follow(values, "watch", func(ctx context.Context, v *value.Value, _ None) iter.Seq2[ValueChange, error] {
		return watched(ctx, v.Watch, func(c value.Change) ValueChange {
			return ValueChange{newVersion(c.Old), newVersion(c.New), c.Local, c.Lost}
		})
	})
)

func newVersion(e *value.Entry) *Version {
	if e == nil {
		return nil
	}
	return &Version{newData(e.Value), newOrigin(e.Ref, e.Time)}
}
