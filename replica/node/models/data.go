package models

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Data is bytes as JSON has them: a string where they are UTF-8, else base64.
type Data struct {
	Value  *string `json:"value,omitempty"`
	Base64 []byte  `json:"value_base64,omitempty"`
}

func newData(b []byte) Data {
	if !utf8.Valid(b) {
		return Data{Base64: bytes.Clone(b)}
	}
	return Data{Value: new(string(b))}
}

// Bytes returns what the data is.
func (d Data) Bytes() []byte {
	if d.Value != nil {
		return []byte(*d.Value)
	}
	return d.Base64
}

// Origin is the update that something comes from.
type Origin struct {
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
	Time   string      `json:"time"` // RFC 3339 with nine digits, UTC, as the author dated it
}

func newOrigin(ref wire.Ref, ns uint64) Origin {
	return Origin{ref.Author, ref.Seq, stamp(ns)}
}

// stamp writes a time, in ns since the Unix epoch.
func stamp(ns uint64) string {
	return time.Unix(0, int64(ns)).UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}

// None is the request of an operation that needs none.
type None struct{}
