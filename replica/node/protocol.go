package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/model/list"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
	"github.com/hearsaynet/hearsay/replica/model/object"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
	"github.com/hearsaynet/hearsay/replica/model/text"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// The control socket speaks HTTP/1.1: POST /v1/OPERATION?topic=T with a request as
// JSON, except that import's body is the file itself. The answer is lines of JSON,
// each a line, and the last has End or Error. It is for this program only and may
// change with it.
const (
	apiPath  = "/v1/"
	typeJSON = "application/json"
	typeRaw  = "application/octet-stream"
)

// The operations.
const (
	opStatus   = "status"
	opSet      = "set"
	opSetMany  = "set-many"
	opDelete   = "delete"
	opGet      = "get"
	opDump     = "dump"
	opWatch    = "watch"
	opPublish  = "publish"
	opTail     = "tail"
	opDo       = "do"
	opExport   = "export"
	opImport   = "import"
	opExtract  = "extract"
	opExplain  = "explain"
	opProofs   = "proofs"
	opHistory  = "history"
	opChannels = "channels"
	opEnd      = "end"
)

// request has what any operation may need.
type request struct {
	Key   string `json:"key,omitempty"`
	Value []byte `json:"value,omitempty"`
	Pairs []Pair `json:"pairs,omitempty"`
	// Expires is when what set sets expires, For how long what publish publishes is told.
	Expires time.Time      `json:"expires,omitzero"`
	For     *time.Duration `json:"for,omitempty"`
	Name    string         `json:"name,omitempty"`
	Data    [][]byte       `json:"data,omitempty"`
	Tail    TailQuery      `json:"tail,omitzero"`
	Follow  bool           `json:"follow,omitempty"`
	Author  keys.NodeID    `json:"author,omitzero"`
	Seq     uint64         `json:"seq,omitempty"`
	// Channel and Request are of the operation Name of package models.
	Channel string          `json:"channel,omitempty"`
	Request json.RawMessage `json:"request,omitempty"`

	// ID is by what opEnd names an opExport that follows: who only hangs up does not get
	// the end of the file.
	ID string `json:"id,omitempty"`

	// A replica.Selection; Follow goes with After too.
	After    replica.Clock `json:"after,omitempty"`
	Authors  []keys.NodeID `json:"authors,omitempty"`
	Channels []string      `json:"channels,omitempty"`
	Order    replica.Order `json:"order,omitempty"`
}

// check refuses what JSON would change: names that are not UTF-8.
func (q *request) check() error {
	switch {
	case !utf8.ValidString(q.Key):
		return fmt.Errorf("%w: not UTF-8", kv.ErrBadKey)
	case !utf8.ValidString(q.Name):
		return fmt.Errorf("%w: not UTF-8", events.ErrBadName)
	case !utf8.ValidString(q.Tail.Pattern):
		return fmt.Errorf("%w: not UTF-8", events.ErrBadPattern)
	case !utf8.ValidString(q.Channel) || slices.ContainsFunc(q.Channels, func(c string) bool { return !utf8.ValidString(c) }):
		return errors.New("a channel's name that is not UTF-8")
	}
	for i, p := range q.Pairs {
		if !utf8.ValidString(p.Key) {
			return fmt.Errorf("pair %d: %w: not UTF-8", i, kv.ErrBadKey)
		}
	}
	return nil
}

func (q *request) selection() replica.Selection {
	return replica.Selection{After: q.After, Authors: q.Authors, Channels: q.Channels, Order: q.Order}
}

// line is one line of an answer, on its way to the client.
type line struct {
	Item  any      `json:"item,omitempty"`
	Error *failure `json:"error,omitempty"`
	End   bool     `json:"end,omitempty"`
}

// answered is one line of an answer, as it arrives.
type answered struct {
	Item  json.RawMessage `json:"item"`
	Error *failure        `json:"error"`
	End   bool            `json:"end"`
}

// exported is a piece of an export file, or, at last, what the file holds.
type exported struct {
	Data  []byte        `json:"data,omitempty"`
	Clock replica.Clock `json:"clock,omitempty"`
}

// imported is a replica.ImportResult.
type imported struct {
	Runs    uint64   `json:"runs"`
	Updates uint64   `json:"updates"`
	Proofs  uint64   `json:"proofs"`
	Refused uint64   `json:"refused"`
	First   *failure `json:"first,omitempty"`
}

func importedFrom(r replica.ImportResult) imported {
	return imported{r.Runs, r.Updates, r.Proofs, r.Refused, failureFrom(r.First)}
}

func (i imported) result() replica.ImportResult {
	return replica.ImportResult{Runs: i.Runs, Updates: i.Updates, Proofs: i.Proofs, Refused: i.Refused, First: i.First.orNil()}
}

// sentProof is a wire.Proof.
type sentProof struct {
	Topic string `json:"topic"`
	Key   []byte `json:"key"` // the author's, SSH wire form
	Body  []byte `json:"body"`
}

func (s sentProof) open() (*wire.Proof, error) {
	key, err := keys.ParsePublicKey(s.Key)
	if err != nil {
		return nil, fmt.Errorf("node: proof of the running node: %w", err)
	}
	u, err := wire.ParseProof(s.Topic, s.Body)
	if err != nil {
		return nil, fmt.Errorf("node: proof of the running node: %w", err)
	}
	return u.Open(key)
}

// failure is an error that crosses the socket: its text, and which of the errors
// that callers tell apart it wraps. On the client it is the error.
type failure struct {
	Text  string   `json:"text"`
	Codes []string `json:"codes,omitempty"`
}

// codes are the errors that keep their identity. Codes are never reused.
var codes = map[string]error{
	"no-key":           ErrNoKey,
	"no-operation":     models.ErrUnknown,
	"other-model":      models.ErrOtherModel,
	"nothing":          models.ErrNothing,
	"not-utf8":         models.ErrNotUTF8,
	"list-range":       list.ErrRange,
	"no-draft":         models.ErrNoDraft,
	"text-range":       text.ErrRange,
	"text-not-utf8":    text.ErrNotUTF8,
	"bad-channel-name": manifest.ErrBadName,
	"reserved":         manifest.ErrReserved,
	"bad-peer-key":     peerkv.ErrBadKey,
	"bad-peer-expiry":  peerkv.ErrBadExpiry,
	"bad-doc-name":     doc.ErrBadName,
	"bad-doc-value":    doc.ErrBadValue,
	"doc-range":        doc.ErrRange,
	"bad-path":         object.ErrBadPath,
	"bad-value":        object.ErrBadValue,
	"not-own":          feed.ErrNotOwn,
	"no-item":          feed.ErrNotFound,
	"no-topic":         ErrNoTopic,
	"no-update":        ErrNoUpdate,
	"relay":            ErrRelay,
	"closed":           ErrClosed,
	"unconfirmed":      replica.ErrUnconfirmed,
	"writes-elsewhere": replica.ErrWritesElsewhere,
	"forked":           replica.ErrForked,
	"read-only":        replica.ErrReadOnly,
	"too-large":        replica.ErrTooLarge,
	"replica-closed":   replica.ErrClosed,
	"bad-key":          kv.ErrBadKey,
	"bad-expiry":       kv.ErrBadExpiry,
	"bad-glob":         kv.ErrBadGlob,
	"bad-name":         events.ErrBadName,
	"bad-pattern":      events.ErrBadPattern,
	"store-not-found":  store.ErrNotFound,
	"store-damaged":    store.ErrDamaged,
	"malformed":        wire.ErrMalformed,
	"bad-signature":    wire.ErrBadSignature,
	"wrong-key":        wire.ErrWrongKey,
	"unknown-author":   keys.ErrUnknown,
	"passphrase":       sign.ErrPassphraseNeeded,
	"wrong-passphrase": sign.ErrWrongPassphrase,
}

func failureFrom(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	for code, sentinel := range codes {
		if errors.Is(err, sentinel) {
			f.Codes = append(f.Codes, code)
		}
	}
	return f
}

func (f *failure) Error() string { return f.Text }

// Is makes errors.Is find what the error wrapped on the other side.
func (f *failure) Is(target error) bool {
	for _, code := range f.Codes {
		if codes[code] == target && target != nil {
			return true
		}
	}
	return false
}

func (f *failure) orNil() error {
	if f == nil {
		return nil
	}
	return f
}
