package models

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/object"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var objects = kind[*object.Object]{object.DefaultChannel, func(r *replica.Replica, channel string) (*object.Object, error) {
	return object.Mount(r, channel, object.Config{})
}}

// Member is what stands at a path of an object.
type Member struct {
	Path string `json:"path"` // a JSON Pointer (RFC 6901)
	// Value is JSON, and in a change nil for an object, whose members have changes of their own.
	Value json.RawMessage `json:"value,omitempty"`
	// Origin is the update that put it there: of an object the newest that set anything in
	// it, nil for a root without any.
	*Origin
}

// MemberChange is one change of what stands at a path.
type MemberChange struct {
	Path  string  `json:"path"`
	Old   *Member `json:"old,omitempty"` // nil if nothing stood there
	New   *Member `json:"new,omitempty"` // nil if nothing stands there now
	Local bool    `json:"local"`
	Lost  uint64  `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// PathValue is a JSON value, in any spelling, for a path.
type PathValue struct {
	Path  string `json:"path"`
	Value []byte `json:"value"`
}

// The operations on objects. Paths are JSON Pointers (RFC 6901), "" for all of it.
var (
	ObjectGet = read(objects, "get", func(_ context.Context, o *object.Object, path string) (Member, error) {
		e, ok := o.Get(path)
		if !ok {
			return Member{}, nothingAt(path)
		}
		return *newMember(&e), nil
	})
	// ObjectShow answers with what stands at a path and below that is no object, and empty
	// objects.
	ObjectShow = each(objects, "show", func(_ context.Context, o *object.Object, path string) iter.Seq2[Member, error] {
		return func(yield func(Member, error) bool) {
			some := path == ""
			for e := range o.Each(path) {
				some = true
				if !yield(*newMember(&e), nil) {
					return
				}
			}
			if !some {
				yield(Member{}, nothingAt(path))
			}
		}
	})
	// ObjectKeys answers with the names in the object at a path.
	ObjectKeys = each(objects, "keys", func(_ context.Context, o *object.Object, path string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			some := false
			for name := range o.Keys(path) {
				some = true
				if !yield(name, nil) {
					return
				}
			}
			if some {
				return
			}
			if e, ok := o.Get(path); !ok {
				yield("", nothingAt(path))
			} else if string(e.JSON) != "{}" {
				yield("", fmt.Errorf("models: %w: what stands at %q is no object", ErrNothing, path))
			}
		}
	})
	ObjectSet = write(objects, "set", func(ctx context.Context, o *object.Object, q PathValue) (wire.Ref, error) {
		return o.Set(ctx, q.Path, q.Value)
	})
	ObjectRemove = write(objects, "rm", func(ctx context.Context, o *object.Object, path string) (wire.Ref, error) {
		return o.Remove(ctx, path)
	})
	ObjectWatch = follow(objects, "watch", func(ctx context.Context, o *object.Object, glob string) iter.Seq2[MemberChange, error] {
		watch := func(ctx context.Context) (<-chan object.Change, error) { return o.Watch(ctx, glob) }
		return watched(ctx, watch, func(c object.Change) MemberChange {
			return MemberChange{c.Path, newMember(c.Old), newMember(c.New), c.Local, c.Lost}
		})
	})
)

// nothingAt says that nothing stands at a path, or what is wrong with it.
func nothingAt(path string) error {
	if _, err := object.NewChange(object.Op{Path: path}); err != nil {
		return err
	}
	return fmt.Errorf("models: %w: no value at %q", ErrNothing, path)
}

func newMember(e *object.Entry) *Member {
	if e == nil {
		return nil
	}
	m := &Member{Path: e.Path, Value: e.JSON}
	if !e.Author.IsZero() {
		m.Origin = new(newOrigin(e.Ref, e.Time))
	}
	return m
}
