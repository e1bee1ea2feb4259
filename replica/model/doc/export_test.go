package doc

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Doc without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*Doc, Model) {
	m := newModel(self)
	return &Doc{model: m, watchBuffer: watchBuffer, channel: new(mount.Channel)}, m
}

// MustSet and MustDelete make changes of names and values that are good.
func MustSet(row string, fields Fields) []byte { return must(SetChange(row, fields)) }
func MustDelete(row string) []byte             { return must(DeleteChange(row)) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Miscounted returns a row of which the size is not that of its fields, "" if there is none.
func Miscounted(d *Doc) string {
	for id, r := range d.model.state.Now().rows.All() {
		size := 0
		for f := range r.fields.From(0) {
			size += len(f.name) + len(f.value)
		}
		if size != r.size {
			return id
		}
	}
	return ""
}
