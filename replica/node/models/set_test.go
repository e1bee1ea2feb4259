package models

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

type pair struct{ Key, Value string }

// Two kinds for tests, with one operation of each sort.
var (
	testMaps = kind[*kv.Map]{"testmap", func(r *replica.Replica, channel string) (*kv.Map, error) {
		return kv.Mount(r, channel, kv.Config{})
	}}
	mapSet = write(testMaps, "set", func(ctx context.Context, m *kv.Map, q pair) (wire.Ref, error) {
		return m.Set(ctx, q.Key, []byte(q.Value))
	})
	mapGet = read(testMaps, "get", func(_ context.Context, m *kv.Map, key string) (pair, error) {
		e, ok := m.Get(key)
		if !ok {
			return pair{}, kv.ErrBadKey
		}
		return pair{key, string(e.Value)}, nil
	})
	mapAll = each(testMaps, "all", func(_ context.Context, m *kv.Map, _ struct{}) iter.Seq2[pair, error] {
		return func(yield func(pair, error) bool) {
			for k, e := range m.All() {
				if !yield(pair{k, string(e.Value)}, nil) {
					return
				}
			}
		}
	})
	mapWatch = follow(testMaps, "watch", func(ctx context.Context, m *kv.Map, glob string) iter.Seq2[pair, error] {
		return func(yield func(pair, error) bool) {
			changes, err := m.Watch(ctx, glob)
			if err != nil {
				yield(pair{}, err)
				return
			}
			for c := range changes {
				if !yield(pair{c.Key, string(c.New.Value)}, nil) {
					return
				}
			}
		}
	})

	logs = kind[*events.Log]{"testlog", func(r *replica.Replica, channel string) (*events.Log, error) {
		return events.Mount(r, channel, events.Config{})
	}}
	logLen = read(logs, "len", func(_ context.Context, l *events.Log, _ struct{}) (int, error) { return l.Len(), nil })
)

// local is a Doer as a node is one.
type local struct{ *Set }

func (l local) Do(ctx context.Context, name, channel string, request json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for a, err := range l.Set.Do(ctx, name, channel, request) {
			answer, _ := json.Marshal(a)
			if !yield(answer, err) {
				return
			}
		}
	}
}

func open(t *testing.T) local {
	t.Helper()
	key, err := sign.NewEd25519(ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize))))
	if err != nil {
		t.Fatal(err)
	}
	r, err := replica.Open(t.Context(), replica.Config{Topic: "t", Store: store.NewMemory(), Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s := NewSet(r, "taken")
	t.Cleanup(s.Close)
	return local{s}
}

func TestOperations(t *testing.T) {
	d := open(t)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for _, k := range []string{"b", "a"} {
		writers.Go(func() {
			if ref, err := mapSet.One(ctx, d, "", pair{k, "1"}); err != nil || ref.Seq == 0 {
				t.Errorf("set: %v, %v", ref, err)
			}
		})
	}
	writers.Wait()
	if got, err := mapGet.One(ctx, d, "testmap", "a"); err != nil || got != (pair{"a", "1"}) {
		t.Errorf("get: %v, %v", got, err)
	}
	if _, err := mapGet.One(ctx, d, "", "c"); !errors.Is(err, kv.ErrBadKey) {
		t.Errorf("get of what is not there: %v", err)
	}
	var all []pair
	for p, err := range mapAll.All(ctx, d, "", struct{}{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if !slices.Equal(all, []pair{{"a", "1"}, {"b", "1"}}) {
		t.Errorf("all: %v", all)
	}
	if _, err := mapAll.One(ctx, d, "elsewhere", struct{}{}); err == nil {
		t.Error("the empty map of another channel has an answer")
	}

	next, end := iter.Pull2(mapWatch.All(ctx, d, "", "*"))
	defer end()
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			mapSet.One(ctx, d, "", pair{"c", strings.Repeat("x", i%7)})
		}
	}()
	if p, err, ok := next(); !ok || err != nil || p.Key != "c" {
		t.Errorf("watch: %v, %v", p, err)
	}
	stop()
	for ok := true; ok; {
		_, _, ok = next()
	}
}

// hold keeps testmap in use until leave is called.
func hold(t *testing.T, s *Set) (leave func()) {
	t.Helper()
	_, leave, err := enter(s, testMaps, "")
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

func TestRefusals(t *testing.T) {
	d, ctx := open(t), t.Context()
	answers := func(name, channel, request string) (err error) {
		for _, err = range d.Do(ctx, name, channel, json.RawMessage(request)) {
		}
		return err
	}
	if err := answers("testmap/fly", "", "{}"); !errors.Is(err, ErrUnknown) {
		t.Errorf("an operation that there is not: %v", err)
	}
	if err := answers("testmap/set", "", "[1]"); err == nil {
		t.Error("a request of another type is carried out")
	}
	if _, err := logLen.One(ctx, d, "testmap", struct{}{}); err != nil {
		t.Fatal(err)
	}
	// A channel is what it is asked for as, but for what is under way.
	if _, err := mapSet.One(ctx, d, "", pair{"k", ""}); err != nil {
		t.Errorf("a channel that nobody uses as another model: %v", err)
	}
	leave := hold(t, d.Set)
	if _, err := logLen.One(ctx, d, "testmap", struct{}{}); !errors.Is(err, ErrOtherModel) || !strings.Contains(err.Error(), "testmap, not testlog") {
		t.Errorf("a channel that is in use as another model: %v", err)
	}
	leave()
	if _, err := logLen.One(ctx, d, "testmap", struct{}{}); err != nil {
		t.Errorf("after its use: %v", err)
	}
	if _, err := mapSet.One(ctx, d, "taken", pair{"k", ""}); !errors.Is(err, ErrOtherModel) {
		t.Errorf("a channel that the program uses: %v", err)
	}
	if _, err := mapSet.One(ctx, d, "\xff", pair{"k", ""}); err == nil {
		t.Error("a channel with a name that is not UTF-8 is mounted")
	}
	for _, q := range []any{"\xff", pair{Value: "\xff"}, []string{"", "\xff"}, struct{ P []pair }{[]pair{{Key: "\xff"}}}} {
		if _, err := (Operation[any, pair]{"testmap/set"}).One(ctx, d, "", q); !errors.Is(err, ErrNotUTF8) {
			t.Errorf("%q: %v, want ErrNotUTF8", q, err)
		}
	}
	if _, err := mapSet.One(ctx, d, "bad\nname", pair{"k", ""}); err == nil {
		t.Error("a channel with a bad name is mounted")
	}
	if _, err := mapSet.One(ctx, d, "good", pair{"k", ""}); err != nil {
		t.Error(err)
	}
	d.Close()
	if _, err := mapGet.One(ctx, d, "good", "k"); !errors.Is(err, replica.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if !Writes("testmap/set") || Writes("testmap/get") || !Follows("testmap/watch") || Follows("testmap/all") {
		t.Error("an operation is taken for another sort")
	}
}
