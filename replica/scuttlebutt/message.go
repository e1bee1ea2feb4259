package scuttlebutt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// Clock says up to which timestamp each source's updates are known.
type Clock map[string]float64

// Update is one update, as it is kept and passed on.
type Update struct {
	Change    json.RawMessage // as JSON.stringify writes it
	Timestamp float64         // milliseconds since the Unix epoch, and a fraction
	Source    string          // the id of the node that made it
	Signature string          // as it stands in the update; "" when there is none
}

// Header is what a peer says of itself, first.
type Header struct {
	ID    string
	Clock Clock           // without what is not a number above zero
	Meta  json.RawMessage // nil when there is none
	Raw   json.RawMessage // the whole line, canonical, fields unknown to us included
}

// ErrMalformed is wrapped when a peer sends what is no line of this protocol.
var ErrMalformed = errors.New("scuttlebutt: malformed line")

// badLine is what is wrong with a line that is JSON.
type badLine string

func (e badLine) Error() string { return string(e) }

const errLong = badLine("longer than 1 MiB")

// errNoUpdate is wrapped when an array is not an update. Peers skip it.
var errNoUpdate = errors.New("not an update")

var syncLine = []byte(`"SYNC"`)

// entry is an update in memory. Only gone and seq change, under Node.mu.
type entry struct {
	line   []byte // canonical, without the newline
	change []byte // within line
	sig    []byte // within line, quoted; nil when there is none
	ts     float64
	source string
	from   uint64 // the session that it came by; 0 is none
	noted  uint64 // the File that has it already; 0 is none
	seq    uint64 // its place in Node.updates, from 1
	gone   bool   // replaced by a later one
}

func (e *entry) update() Update {
	u := Update{Change: bytes.Clone(e.change), Timestamp: e.ts, Source: e.source}
	if e.sig != nil {
		u.Signature = esjson.Unquote(e.sig)
	}
	return u
}

// Line returns the update as it stands in a session, without a newline.
func (u Update) Line() json.RawMessage {
	e := newEntry(u.Change, u.Timestamp, u.Source)
	if u.Signature != "" {
		e.sign(u.Signature)
	}
	return e.line
}

// After says whether u comes behind other in a history: of two values of a key, whether it
// is u's that stands.
func (u Update) After(other Update) bool {
	return inOrder(&entry{ts: u.Timestamp, source: u.Source}, &entry{ts: other.Timestamp, source: other.Source}) > 0
}

// ParseUpdate reads such a line. What it says has not been verified.
func ParseUpdate(line []byte) (Update, error) {
	e, err := parseUpdate(line, make(map[string]string))
	if err != nil {
		return Update{}, fmt.Errorf("scuttlebutt: %w", err)
	}
	return e.update(), nil
}

// signed returns what a signature covers: the update without its last element.
func (e *entry) signed() []byte {
	if e.sig == nil {
		return e.line
	}
	end := len(e.line) - len(`]`) - len(e.sig) - len(`,`)
	return append(bytes.Clone(e.line[:end]), ']')
}

// newEntry makes an unsigned update; change is canonical.
func newEntry(change []byte, ts float64, source string) *entry {
	line := make([]byte, 0, len(change)+len(source)+clockEntry)
	line = append(append(append(line, '['), change...), ',')
	line = append(esjson.AppendNumber(line, ts), ',')
	line = append(esjson.AppendString(line, source), ']')
	return &entry{line: line, change: line[1 : 1+len(change)], ts: ts, source: source}
}

// sign puts a signature in the place of the one that e has, if any.
func (e *entry) sign(sig string) {
	signed := e.signed()
	line := make([]byte, 0, len(signed)+len(sig)+4)
	line = append(append(line, signed[:len(signed)-1]...), ',')
	start := len(line)
	line = esjson.AppendString(line, sig)
	e.sig = line[start:]
	e.line = append(line, ']')
	e.change = e.line[1 : 1+len(e.change)]
}

// parseUpdate reads an array. Errors wrap errNoUpdate, or are the JSON's. The source is
// taken from names if it is there, and put there otherwise while there is room.
func parseUpdate(line []byte, names map[string]string) (*entry, error) {
	canonical, err := esjson.Canonical(nil, line)
	if err != nil {
		return nil, err
	}
	if len(canonical) > MaxLine {
		return nil, errLong // 1e20 is 21 digits: nobody would take it from us
	}
	var room [4][]byte
	parts, err := esjson.Elements(room[:0], canonical, len(room))
	if err != nil || len(parts) < 3 {
		return nil, fmt.Errorf("%w: an array of other than 3 or 4 elements", errNoUpdate)
	}
	e := &entry{line: canonical, change: parts[0]}
	if c := parts[1][0]; c != '-' && (c < '0' || c > '9') {
		return nil, fmt.Errorf("%w: the timestamp is not a number", errNoUpdate)
	}
	if e.ts, _ = esjson.Number(parts[1]); e.ts <= 0 {
		return nil, fmt.Errorf("%w: the timestamp %s is not above zero", errNoUpdate, parts[1])
	}
	if parts[2][0] != '"' {
		return nil, fmt.Errorf("%w: the source is not a string", errNoUpdate)
	}
	if e.source = intern(parts[2], names); len(e.source) > MaxSource || e.source == proto {
		return nil, fmt.Errorf("%w: the source %.20q is longer than %d bytes, or reserved", errNoUpdate, e.source, MaxSource)
	}
	if len(parts) == 4 {
		if e.sig = parts[3]; e.sig[0] != '"' {
			return nil, fmt.Errorf("%w: the signature is not a string", errNoUpdate)
		}
	}
	return e, nil
}

// maxNames bounds a table of names.
const maxNames = 1024

func intern(quoted []byte, names map[string]string) string {
	if s, ok := names[string(quoted)]; ok {
		return s
	}
	s := esjson.Unquote(quoted)
	if len(names) < maxNames && len(s) <= MaxSource {
		names[string(quoted)] = s
	}
	return s
}

// parseHeader reads an object.
func parseHeader(line []byte) (*Header, error) {
	canonical, err := esjson.Canonical(nil, line)
	if err != nil {
		return nil, err
	}
	h := &Header{Raw: canonical}
	err = esjson.Members(canonical, func(key, value []byte) error {
		switch string(key) {
		case `"id"`:
			h.ID, _ = Text(value)
		case `"meta"`:
			h.Meta = value
		case `"clock"`:
			if value[0] != '{' {
				return badLine("the header's clock is not an object")
			}
			h.Clock = make(Clock)
			return esjson.Members(value, h.Clock.set)
		}
		return nil
	})
	if err == nil && h.Clock == nil {
		err = badLine("a header without a clock")
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// set reads a member of a clock.
func (c Clock) set(key, value []byte) error {
	if value[0] < '0' || value[0] > '9' {
		return nil // as null, which Infinity turns into: the peer knows nothing
	}
	if ts, ok := esjson.Number(value); ok && ts > 0 {
		c[esjson.Unquote(key)] = ts
	}
	return nil
}

// appendHeader writes our own.
func appendHeader(dst []byte, id string, clock []entryClock, meta json.RawMessage) []byte {
	dst = esjson.AppendString(append(dst, `{"id":`...), id)
	dst = append(dst, `,"clock":{`...)
	for i, c := range clock {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(esjson.AppendString(dst, c.source), ':')
		dst = esjson.AppendNumber(dst, c.ts)
	}
	dst = append(dst, '}')
	if meta != nil {
		dst = append(append(dst, `,"meta":`...), meta...)
	}
	return append(dst, '}')
}

type entryClock struct {
	source string
	ts     float64
}
