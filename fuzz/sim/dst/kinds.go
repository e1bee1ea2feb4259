package dst

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/node/models"
)

// A kind is a kind of model that simulations drive, besides the kv.Map and the ledger,
// which every node has and which the oracle knows.
type kind struct {
	noun  string // also the channel that it is mounted on
	write func(*scribe) error
	shows []string // what of package models answers with all that its readers see
}

var kinds = []kind{
	{"doc", (*scribe).doc, []string{"doc/show", "doc/seq-show"}},
	{events.DefaultChannel, nil, nil}, // see eventLog
	{"feed", (*scribe).feed, []string{"feed/show"}},
	{"list", (*scribe).list, []string{"list/show"}},
	{"manifest", (*scribe).manifest, []string{"manifest/show"}},
	{"object", (*scribe).object, []string{"object/show"}},
	{"peerkv", (*scribe).peerkv, []string{"peerkv/show", "peerkv/authors"}},
	{"text", (*scribe).text, []string{"text/show", "text/who"}},
	{"value", (*scribe).value, []string{"value/history"}},
}

// Kinds are the nouns of all that a Plan may have among its Models.
func Kinds() (nouns []string) {
	for _, k := range kinds {
		nouns = append(nouns, k.noun)
	}
	return nouns
}

func kindOf(noun string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.noun == noun })]
}

// scribe writes to a model, at random places and in random sizes.
type scribe struct {
	dice
	ctx  context.Context
	on   *operated
	self keys.NodeID
}

// bytes makes up to 80 bytes, and now and then some kilobytes.
func (s *scribe) bytes() []byte {
	b := make([]byte, s.between(0, 80))
	if s.in(3) {
		b = make([]byte, s.between(1<<10, 8<<10))
	}
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}

// letters makes up to n letters, some of which take several bytes.
func (s *scribe) letters(n int) string {
	var b strings.Builder
	for range s.between(0, n) {
		b.WriteRune([]rune("abcdefghij  \n\u00e9\u6f22\U0001f600")[s.IntN(16)])
	}
	return b.String()
}

// name is one of few.
func (s *scribe) name() string { return fmt.Sprint("name ", s.IntN(5)) }

// json makes a JSON value that is at most so deep.
func (s *scribe) json(depth int) []byte {
	switch n := s.IntN(8); {
	case n < 3:
		return fmt.Appendf(nil, "%d", s.Uint32())
	case n == 3:
		return []byte([]string{"null", "true", "[]", "{}", `[1,{"a":[]}]`, "-0.5e3"}[s.IntN(6)])
	case n < 6 && depth > 0:
		b := []byte(`{`)
		for i := range s.between(1, 4) {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `"name %d":%s`, i, s.json(depth-1))
		}
		return append(b, '}')
	}
	return fmt.Appendf(nil, "%q", strings.Repeat("x", s.between(0, 20))+fmt.Sprint(s.Uint32()))
}

// operate carries an operation out to its end.
func operate[Q, A any](s *scribe, op models.Operation[Q, A], q Q) (answers []A, err error) {
	for a, err := range op.All(s.ctx, s.on, "", q) {
		if err != nil {
			return answers, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func (s *scribe) value() error {
	_, err := operate(s, models.ValueSet, s.bytes())
	return err
}

func (s *scribe) list() error {
	all, err := operate(s, models.ListShow, models.None{})
	if err != nil {
		return err
	}
	n := len(all)
	switch c := s.IntN(7); {
	case n == 0 || c < 4:
		q := models.ListValues{At: s.between(-1, n)}
		for range s.between(1, 4) {
			q.Values = append(q.Values, s.bytes())
		}
		_, err = operate(s, models.ListInsert, q)
	case c == 4:
		_, err = operate(s, models.ListSet, models.ListValues{At: s.IntN(n), Values: [][]byte{s.bytes()}})
	case c == 5:
		at := s.IntN(n)
		_, err = operate(s, models.ListRemove, models.ListRange{At: at, N: s.between(1, min(3, n-at))})
	default:
		_, err = operate(s, models.ListMoveTo, models.ListMove{From: s.IntN(n), To: s.IntN(n)})
	}
	return err
}

func (s *scribe) text() error {
	all, err := operate(s, models.TextShow, models.None{})
	if err != nil {
		return err
	}
	now := []rune(strings.Join(all, ""))
	at := s.between(0, len(now))
	gone := s.between(0, min(10, len(now)-at))
	if s.in(60) {
		_, err = operate(s, models.TextReplace, models.TextEdit{At: at, Delete: gone, Insert: s.letters(40) + "."})
		return err
	}
	draft, err := operate(s, models.TextDraft, models.None{})
	if err != nil {
		return err
	}
	draft[0].Text = s.letters(8) + string(now[:at]) + s.letters(30) + string(now[at+gone:])
	_, err = operate(s, models.TextApply, draft[0])
	return err
}

// doc gives names to rows: those that package doc makes up are another each time.
func (s *scribe) doc() error {
	rows, err := operate(s, models.SeqShow, models.Rows{})
	if err != nil {
		return err
	}
	n := len(rows)
	switch c := s.IntN(8); {
	case n == 0 || c < 4:
		q := models.RowWrite{Row: s.name()}
		for range s.between(1, 3) {
			f := models.RowField{Name: s.name()}
			if s.in(80) {
				f.Value = s.json(2)
			}
			q.Fields = append(q.Fields, f)
		}
		_, err = operate(s, models.DocSet, q)
	case c == 4:
		_, err = operate(s, models.DocRemove, rows[s.IntN(n)].Row.Row)
	default:
		_, err = operate(s, models.SeqMoveTo, models.RowMove{From: s.IntN(n), To: s.IntN(n)})
	}
	return err
}

func (s *scribe) object() error {
	var path strings.Builder
	for range s.between(1, 4) {
		path.WriteString("/" + s.name())
	}
	if s.in(25) {
		_, err := operate(s, models.ObjectRemove, path.String())
		return err
	}
	_, err := operate(s, models.ObjectSet, models.PathValue{Path: path.String(), Value: s.json(3)})
	return err
}

func (s *scribe) feed() error {
	own, err := operate(s, models.FeedShow, models.FeedPart{Author: s.self})
	if err != nil {
		return err
	}
	if len(own) > 0 && s.in(30) {
		item := own[s.IntN(len(own))]
		_, err = operate(s, models.FeedRemove, models.FeedItem{Author: item.Author, Seq: item.Seq})
		return err
	}
	var items [][]byte
	for range s.between(1, 3) {
		items = append(items, s.bytes())
	}
	_, err = operate(s, models.FeedPush, items)
	return err
}

func (s *scribe) peerkv() error {
	if s.in(25) {
		_, err := operate(s, models.PeerDelete, s.name())
		return err
	}
	q := models.PeerSet{Key: s.name(), Value: s.bytes()}
	switch s.IntN(6) {
	case 0:
		q.Expires = time.Unix(0, longAgo)
	case 1:
		q.Expires = time.Unix(0, farAhead)
	}
	_, err := operate(s, models.PeerPut, q)
	return err
}

func (s *scribe) manifest() error {
	if s.in(25) {
		_, err := operate(s, models.ManifestRemove, s.name())
		return err
	}
	_, err := operate(s, models.ManifestAdd, models.ChannelKind{Channel: s.name(), Kind: s.name()})
	return err
}

// each writes down what an iterator yields.
func each[T any](items iter.Seq[T]) string {
	var b strings.Builder
	for item := range items {
		fmt.Fprintf(&b, "%+v\n", item)
	}
	return b.String()
}
