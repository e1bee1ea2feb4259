package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/node/bridge"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func openNode(t *testing.T, peers ...string) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Options{
		Dir: filepath.Join(t.TempDir(), "node"), Listen: []string{"127.0.0.1:0"}, AnyKey: true, Peers: peers,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func config(n *node.Node, dir string) bridge.Config {
	return bridge.Config{Topic: n, Name: node.DefaultTopic, Self: n.ID(), Dir: dir, Prefix: "p/"}
}

// running is a bridge, and the npm peer that is linked to it.
type running struct {
	*bridge.Bridge
	stop func()
}

// start runs a bridge, and links peers to it.
func start(t *testing.T, cfg bridge.Config, peers ...*scuttlebutt.Node) *running {
	t.Helper()
	b, err := bridge.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	ends := []func(context.Context) error{b.Run}
	for _, p := range peers {
		x, y := tcp(t)
		ends = append(ends,
			func(ctx context.Context) error { return b.Node().Sync(ctx, x, scuttlebutt.SyncConfig{}) },
			func(ctx context.Context) error { return p.Sync(ctx, y, scuttlebutt.SyncConfig{}) })
	}
	for _, end := range ends {
		go func() { done <- end(ctx) }()
	}
	stopped := false
	r := &running{b, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range ends {
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("ended with %v", err)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}}
	t.Cleanup(r.stop)
	return r
}

func tcp(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func model(t *testing.T, id string) *scuttlebutt.Model {
	t.Helper()
	m, err := scuttlebutt.NewModel(scuttlebutt.Config{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func set(t *testing.T, m *scuttlebutt.Model, key, value string) scuttlebutt.Update {
	t.Helper()
	u, err := m.Set(t.Context(), key, json.RawMessage(value))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func put(t *testing.T, n *node.Node, key, value string) {
	t.Helper()
	if _, err := n.Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// topicHolds is the topic's keys, except those with npm updates.
func topicHolds(t *testing.T, n *node.Node) string {
	t.Helper()
	var all []string
	for v, err := range n.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(v.Key, ".npm/") {
			all = append(all, fmt.Sprintf("%s=%s", v.Key, v.Value))
		}
	}
	return strings.Join(all, " ")
}

func modelHolds(m *scuttlebutt.Model) string {
	var all []string
	for key, item := range m.All() {
		all = append(all, fmt.Sprintf("%s=%s", key, item.Value))
	}
	return strings.Join(all, " ")
}

// eventually waits until got returns want.
func eventually(t *testing.T, got func() string, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); got() != want; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("got %s\nwant %s", got(), want)
		}
	}
}

func wants(t *testing.T, n *node.Node, m *scuttlebutt.Model, topic, npm string) {
	t.Helper()
	eventually(t, func() string { return topicHolds(t, n) + " | " + modelHolds(m) }, topic+" | "+npm)
}

// rest waits until got stays the same for a while.
func rest(t *testing.T, got func() string) {
	t.Helper()
	last, same := "", 0
	eventually(t, func() string {
		if now := got(); now != last {
			last, same = now, 0
		}
		same++
		return fmt.Sprint(same > 30)
	}, "true")
}

func TestKV(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	u := set(t, m, "text", `"é\n"`)
	for key, value := range map[string]string{"number": `1.50`, "object": `{"b":1,"1":[null]}`, "empty": `""`, "gone": `null`, "null": `"null"`} {
		set(t, m, key, value)
	}
	put(t, n, "p/topic", "42")
	put(t, n, "elsewhere", "x")
	b := start(t, config(n, t.TempDir()), &m.Node)
	wants(t, n, m,
		"elsewhere=x p/empty= p/null=null p/number=1.5 p/object={\"1\":[null],\"b\":1} p/text=é\n p/topic=42",
		`empty="" null="null" number=1.5 object={"1":[null],"b":1} text="é\n" topic="42"`)

	// Beside it stands where it comes from.
	v, err := n.Get(t.Context(), "p/.npm/text")
	if err != nil || string(v.Value) != string(u.Line()) || v.Author != n.ID() {
		t.Errorf("%s, %v; want %s", v.Value, err, u.Line())
	}

	set(t, m, "number", `"two"`)
	set(t, m, "object", `null`)
	put(t, n, "p/text", "of the topic")
	put(t, n, "p/later", `{"a":1}`)
	if _, err := n.Delete(t.Context(), "p/empty"); err != nil {
		t.Fatal(err)
	}
	wants(t, n, m,
		`elsewhere=x p/later={"a":1} p/null=null p/number=two p/text=of the topic p/topic=42`,
		`later="{\"a\":1}" null="null" number="two" text="of the topic" topic="42"`)
	quiet(t, n, b)
}

// quiet says that nothing goes to and fro.
func quiet(t *testing.T, n *node.Node, b *running) {
	t.Helper()
	rest(t, func() string { return fmt.Sprint(wrote(t, n), b.Stats()) })
	before, stats := wrote(t, n), b.Stats()
	put(t, n, "p/quiet", fmt.Sprint(before))
	eventually(t, func() string { return fmt.Sprint(b.Stats().ToNPM) }, fmt.Sprint(stats.ToNPM+1))
	// The one update, and the npm update in which the bridge knows it.
	eventually(t, func() string { return fmt.Sprint(wrote(t, n)) }, fmt.Sprint(before+2))
	if got := b.Stats(); got.ToTopic != stats.ToTopic || got.Refused != stats.Refused {
		t.Errorf("%+v, and then %+v", stats, got)
	}
}

// wrote is how many updates the node has written.
func wrote(t *testing.T, n *node.Node) uint64 {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Authors, func(a replica.AuthorStatus) bool { return a.ID == n.ID() })
	if i < 0 {
		return 0
	}
	return s.Authors[i].Seq
}

// TestConflicts: what both sides have changed while the bridge was away is decided by time,
// what one has by that.
func TestConflicts(t *testing.T) {
	n, m, dir := openNode(t), model(t, "N"), t.TempDir()
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		set(t, m, key, `"old"`)
	}
	b := start(t, config(n, dir), &m.Node)
	eventually(t, func() string { return topicHolds(t, n) }, "p/a=old p/b=old p/c=old p/d=old p/e=old")
	b.stop()

	set(t, m, "a", `"npm"`)
	put(t, n, "p/b", "topic")
	set(t, m, "c", `"npm first"`)
	time.Sleep(2 * time.Millisecond) // the two clocks are the same one
	put(t, n, "p/c", "topic last")
	put(t, n, "p/d", "topic first")
	time.Sleep(2 * time.Millisecond)
	set(t, m, "d", `null`)
	if _, err := n.Delete(t.Context(), "p/e"); err != nil {
		t.Fatal(err)
	}
	b = start(t, config(n, dir), &m.Node)
	wants(t, n, m, "p/a=npm p/b=topic p/c=topic last", `a="npm" b="topic" c="topic last"`)
	quiet(t, n, b)
}

// TestConflictsKnown: the same when the bridge has both changes before it compares.
func TestConflictsKnown(t *testing.T) {
	n, m, dir := openNode(t), model(t, "N"), t.TempDir()
	set(t, m, "a", `"old"`)
	set(t, m, "b", `"old"`)
	b := start(t, config(n, dir), &m.Node)
	eventually(t, func() string { return topicHolds(t, n) }, "p/a=old p/b=old")
	b.stop()
	put(t, n, "p/a", "topic first")
	put(t, n, "p/new", "topic first")
	time.Sleep(2 * time.Millisecond) // the two clocks are the same one
	for _, key := range []string{"a", "b", "new", "new2"} {
		set(t, m, key, `"npm"`)
	}
	time.Sleep(2 * time.Millisecond)
	put(t, n, "p/b", "topic last")
	put(t, n, "p/new2", "topic last")

	idle, err := bridge.Open(t.Context(), config(n, dir))
	if err != nil {
		t.Fatal(err)
	}
	x, y := tcp(t)
	done := make(chan error)
	go func() { done <- m.Sync(t.Context(), x, scuttlebutt.SyncConfig{}) }()
	if err := errors.Join(idle.Node().Sync(t.Context(), y, scuttlebutt.SyncConfig{NoTail: true}), <-done, idle.Close()); err != nil {
		t.Fatal(err)
	}
	start(t, config(n, dir), &m.Node)
	wants(t, n, m, "p/a=npm p/b=topic last p/new=npm p/new2=topic last", `a="npm" b="topic last" new="npm" new2="topic last"`)
}

// TestSkew: who has changed a key since both agreed has changed it, whatever its clock says.
func TestSkew(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	at := func(value string, ahead time.Duration) {
		t.Helper()
		change, err := scuttlebutt.SetChange("k", json.RawMessage(value))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.LocalUpdateAt(t.Context(), change, float64(time.Now().Add(ahead).UnixMilli())); err != nil {
			t.Fatal(err)
		}
	}
	start(t, config(n, t.TempDir()), &m.Node)
	at(`"slow"`, -time.Hour)
	wants(t, n, m, "p/k=slow", `k="slow"`)
	at(`"slow again"`, -time.Minute)
	wants(t, n, m, "p/k=slow again", `k="slow again"`)
	at(`"fast"`, time.Minute)
	wants(t, n, m, "p/k=fast", `k="fast"`)
	put(t, n, "p/k", "topic")
	wants(t, n, m, "p/k=topic", `k="topic"`)
}

// TestRestart: nothing is told again, with the file and without it.
func TestRestart(t *testing.T) {
	n, m, dir := openNode(t), model(t, "N"), t.TempDir()
	for i := range 20 {
		set(t, m, fmt.Sprintf("n%d", i), `1`)
		put(t, n, fmt.Sprintf("p/t%d", i), "1")
	}
	b := start(t, config(n, dir), &m.Node)
	eventually(t, func() string { return fmt.Sprint(b.Stats()) }, "{20 20 0}")
	eventually(t, func() string { return fmt.Sprint(m.Stats().Updates, wrote(t, n)) }, "40 80")
	b.stop()
	lines := fmt.Sprint(m.History(nil))
	for range 2 {
		alone := start(t, config(n, dir)) // it does not ask npm what it knows itself
		rest(t, func() string { return fmt.Sprint(wrote(t, n), alone.Stats()) })
		if s := alone.Stats(); s != (bridge.Stats{}) || alone.Node().Stats().Updates < 40 {
			t.Errorf("%+v, %+v", s, alone.Node().Stats())
		}
		alone.stop()
		b = start(t, config(n, dir), &m.Node)
		quiet(t, n, b)
		b.stop()
		var now []scuttlebutt.Update
		for _, u := range m.History(nil) {
			if !strings.Contains(string(u.Change), `"quiet"`) {
				now = append(now, u)
			}
		}
		if got := fmt.Sprint(now); got != lines {
			t.Errorf("npm holds %s; want %s", got, lines)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwice(t *testing.T) {
	n, dir := openNode(t), t.TempDir()
	start(t, config(n, dir))
	if _, err := bridge.Open(t.Context(), config(n, dir)); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second bridge: %v", err)
	}
	other := config(n, dir)
	other.Prefix = "q/"
	if b := start(t, other); b.Node().ID() == "" {
		t.Error("no id")
	}
	other.Kind = "crdt"
	if _, err := bridge.Open(t.Context(), other); err == nil {
		t.Error("there is no such model")
	}
}

// TestRing: two nodes of a topic, each bridged to the same npm peer.
func TestRing(t *testing.T) {
	a := openNode(t)
	c := openNode(t, a.ListenAddrs()[0])
	m := model(t, "N")
	x, y := start(t, config(a, t.TempDir()), &m.Node), start(t, config(c, t.TempDir()), &m.Node)
	for i := range 10 {
		set(t, m, fmt.Sprintf("k%d", i%4), fmt.Sprint(i))
		put(t, a, fmt.Sprintf("p/k%d", i%3), fmt.Sprint("a", i))
		put(t, c, fmt.Sprintf("p/k%d", i%2), fmt.Sprint("c", i))
	}
	put(t, c, "p/last", "c")
	same := func() string {
		if !strings.Contains(topicHolds(t, a), "last=c") {
			return "last"
		}
		for _, n := range []*node.Node{a, c} {
			for pair := range strings.FieldsSeq(topicHolds(t, n)) {
				key, value, _ := strings.Cut(strings.TrimPrefix(pair, "p/"), "=")
				u, ok := m.Last(key)
				if _, has, _ := scuttlebutt.KeyValue(u.Change); !ok || strings.Trim(string(has), `"`) != value {
					return pair
				}
			}
		}
		return ""
	}
	eventually(t, same, "")
	rest(t, func() string { return fmt.Sprint(wrote(t, a), wrote(t, c), x.Stats(), y.Stats()) })
	if diff := same(); diff != "" {
		t.Errorf("at rest, and not the same: %s", diff)
	}
}

// TestDoesNotCross: what the other side cannot hold stays where it is, and holds nothing up.
func TestDoesNotCross(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	b := start(t, config(n, t.TempDir()), &m.Node)
	set(t, m, "begun", `1`) // what is written while it begins may be looked at twice
	eventually(t, func() string { return topicHolds(t, n) }, "p/begun=1")
	set(t, m, strings.Repeat("k", 1020), `1`)
	set(t, m, ".npm/x", `1`)
	set(t, m, `half`, `"\ud800"`)
	set(t, m, "half\xed\xa0\x80", `1`)
	set(t, m, "long", `"`+strings.Repeat("v", 70_000)+`"`)
	put(t, n, "p/binary", "\xff\xfe")
	put(t, n, "p/__proto__", "x")
	set(t, m, "end", `1`)
	put(t, n, "p/over", "1")
	eventually(t, func() string { return fmt.Sprint(b.Stats()) }, "{3 1 6}")
	if got := topicHolds(t, n); got != "p/__proto__=x p/begun=1 p/binary=\xff\xfe p/end=1 p/half=\xed\xa0\x80 p/over=1" {
		t.Errorf("the topic holds %q", got)
	}
	eventually(t, func() string { return fmt.Sprint(strings.Contains(modelHolds(m), `over="1"`)) }, "true")
	if strings.Contains(modelHolds(m), "binary") {
		t.Error("npm has what is not UTF-8")
	}
}

// failing is a topic that takes nothing at first.
type failing struct {
	bridge.Topic
	left atomic.Int32
}

func (f *failing) SetMany(ctx context.Context, pairs []node.Pair) ([]wire.Ref, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errors.New("the disk is full")
	}
	return f.Topic.SetMany(ctx, pairs)
}

func (f *failing) Publish(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errors.New("the disk is full")
	}
	return f.Topic.Publish(ctx, name, data...)
}

func TestAgain(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	cfg := config(n, t.TempDir())
	f := &failing{Topic: n}
	f.left.Store(1)
	cfg.Topic = f
	set(t, m, "k", `1`)
	start(t, cfg, &m.Node)
	eventually(t, func() string { return topicHolds(t, n) }, "p/k=1")
}

// TestTopicGone: a bridge ends with its node.
func TestTopicGone(t *testing.T) {
	n := openNode(t)
	b, err := bridge.Open(t.Context(), config(n, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	done := make(chan error)
	go func() { done <- b.Run(t.Context()) }()
	n.Close()
	if err := <-done; !errors.Is(err, node.ErrClosed) {
		t.Errorf("Run = %v", err)
	}
}

func TestEvents(t *testing.T) {
	n, dir := openNode(t), t.TempDir()
	e, err := scuttlebutt.NewEvents(scuttlebutt.Config{ID: "N"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(n, dir)
	cfg.Kind, cfg.Prefix = bridge.Events, "npm:"
	emit := func(name, arg string) scuttlebutt.Update {
		t.Helper()
		u, err := e.Emit(t.Context(), name, json.RawMessage(arg))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	publish := func(name, data string) {
		t.Helper()
		if _, err := n.Publish(t.Context(), name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	topic := func() string {
		var all []string
		for ev, err := range n.Tail(t.Context(), node.TailQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s %s", ev.Name, ev.Data))
		}
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	npm := func() string {
		var all []string
		for ev := range e.All() {
			all = append(all, fmt.Sprintf("%s %s", ev.Name, ev.Args))
		}
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	first := emit("door", `{"open":true}`)
	publish("npm:bell", "ding")
	publish("other", "x")
	b := start(t, cfg, &e.Node)
	wantTopic := []string{"npm:bell ding", "npm:door " + string(first.Line()), "other x"}
	wantNPM := []string{fmt.Sprintf(`bell ["ding" {"author":"%v","seq":1}]`, n.ID()), `door [{"open":true}]`}
	eventually(t, topic, strings.Join(wantTopic, "\n"))
	eventually(t, npm, strings.Join(wantNPM, "\n"))
	for round := range 3 {
		b.stop()
		u := emit("z", fmt.Sprint(round))
		wantTopic = append(wantTopic, "npm:z "+string(u.Line()))
		publish("npm:bell", fmt.Sprint(round))
		wantTopic = append(wantTopic, fmt.Sprint("npm:bell ", round))
		b = start(t, cfg, &e.Node)
		slices.Sort(wantTopic)
		eventually(t, topic, strings.Join(wantTopic, "\n"))
		eventually(t, func() string { return fmt.Sprint(strings.Count(npm(), "bell"), strings.Count(npm(), "z [")) }, fmt.Sprint(round+2, round+1))
	}
	if s := b.Stats(); s != (bridge.Stats{ToTopic: 1, ToNPM: 1}) {
		t.Errorf("%+v", s)
	}
}
