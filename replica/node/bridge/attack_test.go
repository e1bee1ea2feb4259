package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/node/bridge"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestTwoFleets: two bridges of a topic whose npm sides do not reach each other, as when a
// link is down, end with the same, and end.
func TestTwoFleets(t *testing.T) {
	a := openNode(t)
	c := openNode(t, a.ListenAddrs()[0])
	m, o := model(t, "M"), model(t, "O")
	x, y := start(t, config(a, t.TempDir()), &m.Node), start(t, config(c, t.TempDir()), &o.Node)
	atRest := func() {
		t.Helper()
		rest(t, func() string { return fmt.Sprint(wrote(t, a), wrote(t, c), x.Stats(), y.Stats()) })
	}
	for i, from := range []*scuttlebutt.Model{m, o, m, m, o, o} {
		set(t, from, "k", fmt.Sprint(i))
		want := func() string { return strings.ReplaceAll(modelHolds(m)+modelHolds(o), `"`, "") }
		eventually(t, want, fmt.Sprintf("k=%dk=%d", i, i))
		atRest()
		wants(t, a, m, fmt.Sprintf("p/k=%d", i), modelHolds(m))
		wants(t, c, o, fmt.Sprintf("p/k=%d", i), modelHolds(o))
	}
	set(t, m, "k", "null")
	wants(t, c, o, "", "")
	atRest()
	set(t, m, "both", `"m"`)
	set(t, o, "both", `"o"`)
	atRest()
	if modelHolds(m) == "" || modelHolds(m) != modelHolds(o) {
		t.Errorf("%s and %s", modelHolds(m), modelHolds(o))
	}
	if n := wrote(t, a) + wrote(t, c); n > 60 {
		t.Errorf("%d updates of the topic for 9 of npm", n)
	}
}

// TestAnyOrder: whatever is set, deleted and started again on either side of two bridges, to
// one fleet or to two, all end with the same.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { anyOrder(t, rand.New(rand.NewPCG(seed, 0)), seed%2 == 0) })
	}
}

func anyOrder(t *testing.T, random *rand.Rand, two bool) {
	a := openNode(t)
	c := openNode(t, a.ListenAddrs()[0])
	m := model(t, "M")
	nodes, models, dirs := []*node.Node{a, c}, []*scuttlebutt.Model{m, m}, []string{t.TempDir(), t.TempDir()}
	if two {
		models[1] = model(t, "O")
	}
	var bridges [2]*running
	for i := range bridges {
		bridges[i] = start(t, config(nodes[i], dirs[i]), &models[i].Node)
	}
	for at := range 150 {
		i, key := random.IntN(2), fmt.Sprint("k", random.IntN(5))
		switch random.IntN(6) {
		case 0, 1:
			set(t, models[i], key, fmt.Sprint(at))
		case 2:
			set(t, models[i], key, "null")
		case 3, 4:
			put(t, nodes[i], "p/"+key, fmt.Sprint(at))
		default:
			if _, err := nodes[i].Delete(t.Context(), "p/"+key); err != nil {
				t.Fatal(err)
			}
		}
		if random.IntN(50) == 0 {
			bridges[i].stop()
			bridges[i] = start(t, config(nodes[i], dirs[i]), &models[i].Node)
		}
	}
	rest(t, func() string { return fmt.Sprint(wrote(t, a), wrote(t, c), bridges[0].Stats(), bridges[1].Stats()) })
	eventually(t, func() string {
		want := topicHolds(t, a)
		for _, got := range []string{topicHolds(t, c), modelHolds(models[0]), modelHolds(models[1])} {
			if got = strings.ReplaceAll(got, `"`, ""); strings.ReplaceAll(want, "p/", "") != strings.ReplaceAll(got, "p/", "") {
				return fmt.Sprintf("%s and %s", want, got)
			}
		}
		return ""
	}, "")
}

// TestForgedNote: a note of an author of the topic neither stops a key nor has it go to
// and fro.
func TestForgedNote(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	b := start(t, config(n, t.TempDir()), &m.Node)
	for i, note := range []string{`[["k",7],1e300,"Z"]`, `[["k",0],1e300,"Z"]`, `[["x",1],1,"Z"]`, `[["k"],1e300,"N"]`, `[]`, `7`, ""} {
		set(t, m, "k", fmt.Sprint(i))
		wants(t, n, m, fmt.Sprint("p/k=", i), fmt.Sprint("k=", i))
		put(t, n, "p/.npm/k", note)
		rest(t, func() string { return fmt.Sprint(wrote(t, n), b.Stats()) })
		set(t, m, "k", `"later"`)
		wants(t, n, m, "p/k=later", `k="later"`)
		put(t, n, "p/.npm/k", note)
		put(t, n, "p/k", "of the topic")
		wants(t, n, m, "p/k=of the topic", `k="of the topic"`)
		rest(t, func() string { return fmt.Sprint(wrote(t, n), b.Stats()) })
	}
}

// TestLargeValues: what 64 keys hold is more than the node takes in one request.
func TestLargeValues(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	for i := range 70 {
		set(t, m, fmt.Sprintf("k%02d", i), `"`+strings.Repeat("v", 64_000)+`"`)
	}
	cfg := config(n, t.TempDir())
	cfg.Topic = &narrow{n, t}
	start(t, cfg, &m.Node)
	eventually(t, func() string { return fmt.Sprint(strings.Count(topicHolds(t, n), "=")) }, "70")
}

// narrow is a topic behind the socket of its node, which takes requests of 4 MiB.
type narrow struct {
	bridge.Topic
	t *testing.T
}

func (w *narrow) SetMany(ctx context.Context, pairs []node.Pair) ([]wire.Ref, error) {
	n := 0
	for _, p := range pairs {
		n += len(p.Key)*6 + len(p.Value)*4/3 + 64
	}
	if n > 4<<20 {
		return nil, errors.New("the request is longer than 4 MiB")
	}
	return w.Topic.SetMany(ctx, pairs)
}

// TestManySources: a peer that fills the clock with sources keeps nobody from being heard
// that was there before, nor the bridge itself.
func TestManySources(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	var lines strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&lines, "[[\"f\",1],%d,\"%0250d\"]\n", i+1, i)
	}
	b := start(t, config(n, t.TempDir()), &m.Node)
	set(t, m, "k", `1`)
	eventually(t, func() string { return topicHolds(t, n) }, "p/k=1")
	if _, err := b.Node().Load(t.Context(), strings.NewReader(lines.String())); err != nil {
		t.Fatal(err)
	}
	rest(t, func() string { return fmt.Sprint(b.Node().Stats()) })
	put(t, n, "p/of the topic", "1")
	eventually(t, func() string { return fmt.Sprint(b.Stats().ToNPM) }, "1")
	set(t, m, "k", `2`)
	eventually(t, func() string { return fmt.Sprint(strings.Contains(topicHolds(t, n), "p/k=2")) }, "true")
}

// TestPrefix: a prefix under which nothing can cross is an error, not silence.
func TestPrefix(t *testing.T) {
	n := openNode(t)
	for kind, prefixes := range map[bridge.Kind][]string{
		bridge.KV:     {"a\xff", strings.Repeat("p", 1019)},
		bridge.Events: {"a\xff", "a\n", strings.Repeat("p", 255)},
	} {
		for _, prefix := range prefixes {
			cfg := config(n, t.TempDir())
			cfg.Kind, cfg.Prefix = kind, prefix
			if b, err := bridge.Open(t.Context(), cfg); err == nil {
				b.Close()
				t.Errorf("%s: the prefix %.9q is taken", kind, prefix)
			}
		}
	}
}

// TestShortLog: what a peer makes the bridge log is not as long as what it sends.
func TestShortLog(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	var log bytes.Buffer
	cfg := config(n, t.TempDir())
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := start(t, cfg, &m.Node)
	set(t, m, strings.Repeat("k", 500_000), `1`)
	eventually(t, func() string { return fmt.Sprint(b.Stats().Refused) }, "1")
	b.stop()
	if n := log.Len(); n > 2000 || !strings.Contains(log.String(), "kkkk") {
		t.Errorf("a log of %d bytes", n)
	}
}

// stumbling is a topic that deletes nothing at first.
type stumbling struct {
	bridge.Topic
	left atomic.Int32
}

func (f *stumbling) Delete(ctx context.Context, key string) (wire.Ref, error) {
	if f.left.Add(-1) >= 0 {
		return wire.Ref{}, errors.New("the disk is full")
	}
	return f.Topic.Delete(ctx, key)
}

// TestDeleteAgain: an npm deletion that the topic takes in the second attempt is not undone.
func TestDeleteAgain(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	cfg := config(n, t.TempDir())
	f := &stumbling{Topic: n}
	cfg.Topic = f
	set(t, m, "k", `1`)
	start(t, cfg, &m.Node)
	wants(t, n, m, "p/k=1", "k=1")
	f.left.Store(1)
	set(t, m, "k", `null`)
	wants(t, n, m, "", "")
	if _, ok := m.Get("k"); ok {
		t.Error("it is back")
	}
}

// TestOddKeys: a key that the topic cannot have holds nothing up.
func TestOddKeys(t *testing.T) {
	for _, prefix := range []string{"", "p/"} {
		n, m := openNode(t), model(t, "N")
		for _, key := range []string{"", "\x00", "a\nb", "ключ", "constructor", strings.Repeat("k", 2000)} {
			set(t, m, key, `1`)
		}
		cfg := config(n, t.TempDir())
		cfg.Prefix = prefix
		start(t, cfg, &m.Node)
		set(t, m, "end", `1`)
		eventually(t, func() string { return fmt.Sprint(strings.Contains(topicHolds(t, n), prefix+"end=1")) }, "true")
		put(t, n, prefix+"back", "1")
		eventually(t, func() string { return fmt.Sprint(strings.Contains(modelHolds(m), `back="1"`)) }, "true")
	}
}
