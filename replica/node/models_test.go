package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/model/list"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
	"github.com/hearsaynet/hearsay/replica/model/object"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
	textmodel "github.com/hearsaynet/hearsay/replica/model/text"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/node/models"
)

// done carries an operation out, and returns what it answers as JSON, a line each.
func done[Q, A any](t *testing.T, api node.API, op models.Operation[Q, A], q Q) string {
	t.Helper()
	var lines []string
	for a, err := range op.All(t.Context(), api, "", q) {
		if err != nil {
			t.Fatalf("%+v %+v: %v", op, q, err)
		}
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return strings.Join(lines, "\n")
}

// fails carries an operation out that must fail.
func fails[Q, A any](t *testing.T, api node.API, op models.Operation[Q, A], q Q, want error) {
	t.Helper()
	if _, err := op.One(t.Context(), api, "", q); !errors.Is(err, want) {
		t.Errorf("%+v %.200s: %v, want %v", op, fmt.Sprintf("%+v", q), err, want)
	}
}

func has(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s\nhas no %s", got, w)
		}
	}
}

func TestModels(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		has(t, done(t, api, models.ListInsert, models.ListValues{At: -1, Values: [][]byte{[]byte("a"), {0xff}}}), `/1/1","author":"Qm`)
		has(t, done(t, api, models.ListMoveTo, models.ListMove{From: 1, To: 0}), `"seq":2`)
		has(t, done(t, api, models.ListShow, models.None{}), `{"at":0,"id":"`, `"value_base64":"/w=="`, `"value":"a"`)
		fails(t, api, models.ListGet, 2, list.ErrRange)
		fails(t, api, models.ListRemove, models.ListRange{At: 1, N: 2}, list.ErrRange)

		draft, err := models.TextDraft.One(t.Context(), api, "", models.None{})
		if err != nil || draft.Number == 0 {
			t.Fatalf("draft: %+v, %v", draft, err)
		}
		done(t, api, models.TextReplace, models.TextEdit{Insert: "others, "})
		draft.Text = "héllo"
		has(t, done(t, api, models.TextApply, draft), `"seq":4`)
		if got := done(t, api, models.TextShow, models.None{}); len(got) != len(`"others, héllo"`) {
			t.Errorf("of a draft and what has come meanwhile: %s", got)
		}
		fails(t, api, models.TextApply, draft, models.ErrNoDraft)
		fails(t, api, models.TextReplace, models.TextEdit{At: 99}, textmodel.ErrRange)
		fails(t, api, models.TextReplace, models.TextEdit{Insert: "\xff"}, models.ErrNotUTF8)

		fails(t, api, models.ValueGet, models.None{}, models.ErrNothing)
		done(t, api, models.ValueSet, []byte("1"))
		done(t, api, models.ValueSet, []byte("2"))
		has(t, done(t, api, models.ValueHistory, models.None{}), `{"value":"1",`, "\n"+`{"value":"2",`)

		done(t, api, models.PeerPut, models.PeerSet{Key: "k", Value: []byte("v"), Expires: time.Now().Add(time.Hour)})
		has(t, done(t, api, models.PeerGet, models.PeerKey{Key: "k"}), `"value":"v"`, `"expires":"`)
		fails(t, api, models.PeerPut, models.PeerSet{Key: "k", Expires: time.Unix(-1, 0)}, peerkv.ErrBadExpiry)
		fails(t, api, models.PeerPut, models.PeerSet{}, peerkv.ErrBadKey)
		fails(t, api, models.PeerGet, models.PeerKey{Key: "other"}, models.ErrNothing)

		done(t, api, models.FeedPush, [][]byte{[]byte("i1"), []byte("i2"), []byte("i3")})
		item, err := models.FeedShow.One(t.Context(), api, "", models.FeedPart{N: 1})
		if err != nil || string(item.Bytes()) != "i3" {
			t.Errorf("the newest item: %+v, %v", item, err)
		}
		done(t, api, models.FeedRemove, models.FeedItem{Author: item.Author, Seq: item.Seq})
		fails(t, api, models.FeedRemove, models.FeedItem{Author: item.Author, Seq: item.Seq}, feed.ErrNotFound)
		if got := done(t, api, models.FeedShow, models.FeedPart{Author: item.Author}); strings.Count(got, "\n") != 1 {
			t.Errorf("what is left of three items:\n%s", got)
		}

		has(t, done(t, api, models.ObjectGet, ""), `{"path":"","value":{}}`)
		done(t, api, models.ObjectSet, models.PathValue{Path: "/a/b", Value: []byte(`{"x":[1, null]}`)})
		has(t, done(t, api, models.ObjectGet, "/a"), `{"path":"/a","value":{"b":{"x":[1,null]}},"author":"Qm`)
		has(t, done(t, api, models.ObjectShow, "/a"), `{"path":"/a/b/x","value":[1,null],"author"`)
		has(t, done(t, api, models.ObjectKeys, "/a"), `"b"`)
		fails(t, api, models.ObjectKeys, "/a/b/x", models.ErrNothing)
		fails(t, api, models.ObjectShow, "/b", models.ErrNothing)
		fails(t, api, models.ObjectGet, "b", object.ErrBadPath)
		fails(t, api, models.ObjectSet, models.PathValue{Path: "/a", Value: []byte("{")}, object.ErrBadValue)
		fails(t, api, models.ObjectSet, models.PathValue{Path: "", Value: []byte("1")}, object.ErrBadValue)

		done(t, api, models.DocSet, models.RowWrite{Row: "r", Fields: []models.RowField{{Name: "a", Value: []byte(`"<1>"`)}, {Name: "b", Value: []byte("2")}}})
		done(t, api, models.DocSet, models.RowWrite{Row: "r", Fields: []models.RowField{{Name: "b"}}})
		row, err := models.DocShow.One(t.Context(), api, "", "r")
		if err != nil || len(row.Fields) != 1 || string(row.Fields["a"]) != `"<1>"` || row.Written["a"].Author != item.Author {
			t.Errorf("a row: %+v, %v", row, err)
		}
		added, err := models.DocAdd.One(t.Context(), api, "", []models.RowField{{Name: "c", Value: []byte("3")}})
		if err != nil || added.Row == "" || added.Seq == 0 {
			t.Errorf("a new row: %+v, %v", added, err)
		}
		has(t, done(t, api, models.DocSelect, models.RowQuery{Name: "c", Value: []byte("3.0")}), `{"at":0,"row":"`+added.Row+`","fields":{"c":3},`)
		fails(t, api, models.DocShow, "other", models.ErrNothing)
		fails(t, api, models.DocSet, models.RowWrite{}, doc.ErrBadName)
		fails(t, api, models.DocSet, models.RowWrite{Row: "r", Fields: []models.RowField{{Name: "a", Value: []byte("x")}}}, doc.ErrBadValue)
		second := models.Rows{Where: models.RowQuery{Name: "l", Value: []byte("1")}, Sort: "s"}
		done(t, api, models.SeqInsert, models.RowInsert{Rows: second, At: -1, Fields: []models.RowField{{Name: "n", Value: []byte("1")}}})
		done(t, api, models.SeqInsert, models.RowInsert{Rows: second, At: 0, Fields: []models.RowField{{Name: "n", Value: []byte("2")}}})
		done(t, api, models.SeqMoveTo, models.RowMove{Rows: second, From: 0, To: 1})
		var order []string
		for r, err := range models.SeqShow.All(t.Context(), api, "", second) {
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, string(r.Fields["n"]))
		}
		if got := strings.Join(order, " "); got != "1 2" {
			t.Errorf("rows in order: %s", got)
		}
		fails(t, api, models.SeqInsert, models.RowInsert{Rows: second, At: 3}, doc.ErrRange)
		done(t, api, models.DocRemove, "r")
		fails(t, api, models.DocShow, "r", models.ErrNothing)

		done(t, api, models.ManifestAdd, models.ChannelKind{Channel: "todo", Kind: "list"})
		has(t, done(t, api, models.ManifestShow, models.None{}), `{"channel":"todo","kind":"list","author":"Qm`)
		fails(t, api, models.ManifestAdd, models.ChannelKind{Kind: "list"}, manifest.ErrBadName)
		done(t, api, models.ManifestRemove, "todo")
		if got := done(t, api, models.ManifestShow, models.None{}); got != "" {
			t.Errorf("an empty list of channels: %s", got)
		}

		channels, err := api.Channels(t.Context())
		if err != nil || len(channels) != 10 {
			t.Errorf("%d channels, %v: %+v", len(channels), err, channels)
		}
		for _, c := range channels {
			if c.Model != c.Channel || (c.Updates == 0) != (c.Bytes == 0) || (c.Updates == 0) != (c.Channel == "kv" || c.Channel == "events") {
				t.Errorf("channel %+v", c)
			}
		}

		// What a node mounts itself has its commands.
		for channel, want := range map[string]error{kv.DefaultChannel: models.ErrOtherModel, events.DefaultChannel: models.ErrOtherModel, "other": nil} {
			if err := firstError(models.ListShow.All(t.Context(), api, channel, models.None{})); !errors.Is(err, want) {
				t.Errorf("a list on channel %s: %v, want %v", channel, err, want)
			}
		}
		for _, err := range api.Do(t.Context(), "list/fly", "", json.RawMessage("{}")) {
			if !errors.Is(err, models.ErrUnknown) {
				t.Errorf("an operation that there is not: %v", err)
			}
		}
	})
}

// TestModelsFollow: what follows tells of changes as they come, and ends with its context.
func TestModelsFollow(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		done(t, api, models.FeedPush, [][]byte{[]byte("1"), []byte("2")})
		ctx, stop := context.WithCancel(t.Context())
		next, end := iter.Pull2(models.FeedTail.All(ctx, api, "", models.FeedPart{N: 1}))
		defer end()
		for _, want := range []string{"2", "3"} {
			item, err, ok := next()
			if !ok || err != nil || string(item.Bytes()) != want {
				t.Fatalf("tail: %q, %v, want %q", item.Bytes(), err, want)
			}
			if want == "2" {
				done(t, api, models.FeedPush, [][]byte{[]byte("3")})
			}
		}
		stop()
		if item, err, ok := next(); ok {
			t.Errorf("after its end: %+v, %v", item, err)
		}
	})
}

func TestModelsEnd(t *testing.T) {
	n := up(t, "a", node.Options{})
	api := attach(t, node.Options{Dir: n.Dir()})
	next, end := iter.Pull2(models.FeedTail.All(t.Context(), api, "", models.FeedPart{N: 1}))
	defer end()
	done(t, n, models.FeedPush, [][]byte{[]byte("1")})
	if _, err, _ := next(); err != nil {
		t.Fatal(err)
	}
	stop(t, n)
	if _, err, _ := next(); !errors.Is(err, node.ErrClosed) {
		t.Errorf("tail of a node that stops ends with %v, want ErrClosed", err)
	}
	if _, err := models.ListShow.One(t.Context(), n, "", models.None{}); !errors.Is(err, node.ErrClosed) {
		t.Errorf("after the stop: %v, want ErrClosed", err)
	}
	relay := up(t, "relay", node.Options{Relay: true, AnyKey: true, Topics: []string{"one"}})
	fails(t, relay, models.ListShow, models.None{}, node.ErrRelay)
}

func TestExpiring(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ctx := t.Context()
		at := time.Now().Add(time.Hour).Round(time.Microsecond)
		if ref, err := api.SetUntil(ctx, "k", []byte("v"), at); err != nil || ref.Seq != 1 {
			t.Fatalf("set: %+v, %v", ref, err)
		}
		if _, err := api.SetMany(ctx, []node.Pair{{Key: "l", Value: []byte("w"), Expires: at}, {Key: "m"}}); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]time.Time{"k": at, "l": at, "m": {}} {
			if v, err := api.Get(ctx, key); err != nil || !v.Expires.Equal(want) {
				t.Errorf("%s expires at %v, %v, want %v", key, v.Expires, err, want)
			}
		}
		for _, bad := range []time.Time{time.Unix(-1, 0), time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC)} {
			if _, err := api.SetUntil(ctx, "k", nil, bad); !errors.Is(err, kv.ErrBadExpiry) {
				t.Errorf("set until %v: %v", bad, err)
			}
		}
		if _, err := api.SetUntil(ctx, "k", nil, time.Now().Add(-time.Hour)); err != nil {
			t.Error(err)
		}
		if _, err := api.Get(ctx, "k"); !errors.Is(err, node.ErrNoKey) {
			t.Errorf("what has expired: %v", err)
		}
	})
}

func TestEventQueries(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ctx := t.Context()
		began := time.Now()
		if refs, err := api.PublishFor(ctx, "a.b", time.Hour, []byte("1")); err != nil || len(refs) != 1 {
			t.Fatalf("publish: %v, %v", refs, err)
		}
		if _, err := api.Publish(ctx, "c", []byte("2"), []byte("3")); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			second(api.PublishFor(ctx, "a.b", 0, nil)), second(api.PublishFor(ctx, "a.b", -time.Hour, nil)),
		} {
			if err == nil {
				t.Error("an event that has ended is published")
			}
		}
		for e, err := range api.Tail(ctx, node.TailQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if ends := !e.Until.IsZero(); ends != (e.Name == "a.b") || ends && e.Until.Before(began.Add(time.Hour)) {
				t.Errorf("%s ends at %v", e.Name, e.Until)
			}
		}
		for want, q := range map[string]node.TailQuery{
			"a.b=1":         {Pattern: "a.*"},
			"c=3":           {Last: 1},
			"c=2 c=3":       {Last: 5, Pattern: "c"},
			"":              {Last: -1},
			"a.b=1 c=2 c=3": {Since: began.Add(-time.Minute)},
		} {
			if got := strings.Join(tail(t, api.Tail(ctx, q), -1), " "); got != want {
				t.Errorf("%+v: %q, want %q", q, got, want)
			}
		}
		if got := tail(t, api.Tail(ctx, node.TailQuery{Since: began.Add(time.Hour)}), -1); got != nil {
			t.Errorf("from the future: %q", got)
		}
		if err := firstError(api.Tail(ctx, node.TailQuery{Pattern: "["})); !errors.Is(err, events.ErrBadPattern) {
			t.Errorf("bad pattern: %v", err)
		}

		// None of what is there, and then what comes.
		following, stop := context.WithCancel(ctx)
		got := make(chan string)
		go func() {
			got <- strings.Join(tail(t, api.Tail(following, node.TailQuery{Follow: true, Last: -1}), 1), "")
		}()
		for {
			if _, err := api.Publish(ctx, "new", nil); err != nil {
				t.Fatal(err)
			}
			select {
			case e := <-got:
				if e != "new=" {
					t.Errorf("of what comes, the first is %s", e)
				}
				stop()
				return
			default:
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestNotUTF8: names that are not UTF-8 are refused, not changed.
func TestNotUTF8(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ctx, bad := t.Context(), "\xff"
		for name, tt := range map[string]struct{ err, want error }{
			"set":       {second(api.Set(ctx, bad, nil)), kv.ErrBadKey},
			"set many":  {second(api.SetMany(ctx, []node.Pair{{Key: bad}})), kv.ErrBadKey},
			"set until": {second(api.SetUntil(ctx, bad, nil, time.Now())), kv.ErrBadKey},
			"delete":    {second(api.Delete(ctx, bad)), kv.ErrBadKey},
			"publish":   {second(api.Publish(ctx, bad, nil)), events.ErrBadName},
		} {
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("%s: %v, want %v", name, tt.err, tt.want)
			}
		}
		if s := status(t, api); s.Counts.Applied != 0 {
			t.Errorf("something was written: %+v", s.Counts)
		}
	})
}

// TestTooLarge: a request that a running node does not take is not sent.
func TestTooLarge(t *testing.T) {
	n := up(t, "a", node.Options{})
	api := attach(t, node.Options{Dir: n.Dir()})
	fails(t, api, models.TextApply, models.Draft{Text: strings.Repeat("x", 17<<20)}, replica.ErrTooLarge)
}
