package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// ways runs a test through the socket of a running node, on a store that
// is opened for it, and on the node itself.
func ways(t *testing.T, f func(t *testing.T, dir string, api node.API)) {
	t.Run("socket", func(t *testing.T) {
		n := up(t, "a", node.Options{})
		f(t, n.Dir(), attach(t, node.Options{Dir: n.Dir()}))
	})
	t.Run("offline", func(t *testing.T) {
		n := up(t, "a", node.Options{})
		stop(t, n)
		f(t, n.Dir(), attach(t, node.Options{Dir: n.Dir(), Log: logger(t, "offline")}))
	})
	t.Run("node", func(t *testing.T) {
		n := up(t, "a", node.Options{})
		f(t, n.Dir(), n)
	})
}

func TestKeyValue(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ctx := t.Context()
		ref, err := api.Set(ctx, "k", []byte("v"))
		if err != nil || ref.Seq != 1 {
			t.Fatalf("set: %+v, %v", ref, err)
		}
		v, err := api.Get(ctx, "k")
		if err != nil || string(v.Value) != "v" || v.Key != "k" || v.Author != ref.Author || v.Seq != 1 || v.Hash != ref.Hash || v.Time.IsZero() {
			t.Fatalf("get: %+v, %v", v, err)
		}
		refs, err := api.SetMany(ctx, []node.Pair{{Key: "b", Value: []byte{0, 0xff}}, {Key: "a", Value: []byte{}}})
		if err != nil || len(refs) != 2 || refs[1].Seq != 3 {
			t.Fatalf("set many: %+v, %v", refs, err)
		}
		if ref, err := api.Delete(ctx, "k"); err != nil || ref.Seq != 4 {
			t.Fatalf("delete: %+v, %v", ref, err)
		}
		if _, err := api.Get(ctx, "k"); !errors.Is(err, node.ErrNoKey) {
			t.Errorf("get of a deleted key: %v", err)
		}
		var got []string
		for v, err := range api.Dump(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s=%x", v.Key, v.Value))
		}
		if want := []string{"a=", "b=00ff"}; !reflect.DeepEqual(got, want) {
			t.Errorf("dump: %q, want %q", got, want)
		}
	})
}

func TestBadWrites(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ctx := t.Context()
		tests := map[string]struct {
			do func() error
			is error
		}{
			"empty key":   {func() error { _, err := api.Set(ctx, "", nil); return err }, nil},
			"large value": {func() error { _, err := api.Set(ctx, "k", make([]byte, 65<<10)); return err }, replica.ErrTooLarge},
			"no pairs":    {func() error { _, err := api.SetMany(ctx, nil); return err }, nil},
			"many pairs":  {func() error { _, err := api.SetMany(ctx, make([]node.Pair, 257)); return err }, nil},
			"event name":  {func() error { _, err := api.Publish(ctx, "a\nb", nil); return err }, nil},
			"no update":   {func() error { _, err := api.Extract(ctx, keys.NodeID{}, 1); return err }, node.ErrNoUpdate},
			"glob":        {func() error { return firstError(api.Watch(ctx, "[")) }, nil},
			"import": {func() error {
				// More than the socket holds: the refusal has to get past it.
				_, err := api.Import(ctx, strings.NewReader(strings.Repeat("something else", 1<<20)))
				return err
			}, wire.ErrMalformed},
		}
		for name, tt := range tests {
			err := tt.do()
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%s: %v, want an error, %v", name, err, tt.is)
			}
		}
		if s := status(t, api); s.Counts.Applied != 0 {
			t.Errorf("something was written: %+v", s.Counts)
		}
	})
}

func firstError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		return err
	}
	return nil
}

func TestWatchAndTail(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		changes := api.Watch(ctx, "dir/*")
		set(t, api, "elsewhere", "x")
		set(t, api, "dir/k", "1")
		set(t, api, "dir/k", "2")
		if _, err := api.Delete(ctx, "dir/k"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for c, err := range changes {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %s>%s %v", c.Key, text(c.Old), text(c.New), c.Local))
			if len(got) == 3 {
				break
			}
		}
		if want := []string{"dir/k ->1 true", "dir/k 1>2 true", "dir/k 2>- true"}; !reflect.DeepEqual(got, want) {
			t.Errorf("watched %q, want %q", got, want)
		}

		if _, err := api.Publish(ctx, "n", []byte("1"), []byte("2")); err != nil {
			t.Fatal(err)
		}
		if _, err := api.Publish(ctx, "other", []byte("3")); err != nil {
			t.Fatal(err)
		}
		if got, want := tail(t, api.Tail(ctx, node.TailQuery{}), -1), []string{"n=1", "n=2", "other=3"}; !reflect.DeepEqual(got, want) {
			t.Errorf("tail: %q, want %q", got, want)
		}
		follow := api.Tail(ctx, node.TailQuery{Pattern: "n", Follow: true})
		if _, err := api.Publish(ctx, "n", []byte("4")); err != nil {
			t.Fatal(err)
		}
		if got, want := tail(t, follow, 3), []string{"n=1", "n=2", "n=4"}; !reflect.DeepEqual(got, want) {
			t.Errorf("tail -f: %q, want %q", got, want)
		}

		// What follows ends with its context, in peace.
		stopped, stop := context.WithCancel(ctx)
		changes, events := api.Watch(stopped, ""), api.Tail(stopped, node.TailQuery{Follow: true})
		stop()
		for _, err := range changes {
			t.Errorf("watch after its end: %v", err)
		}
		for _, err := range events {
			if err != nil {
				t.Errorf("tail after its end: %v", err)
			}
		}
	})
}

func text(v *node.Value) string {
	if v == nil {
		return "-"
	}
	return string(v.Value)
}

// tail takes n events, or all with -1.
func tail(t *testing.T, seq iter.Seq2[node.Event, error], n int) (got []string) {
	t.Helper()
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Name+"="+string(e.Data)); len(got) == n {
			break
		}
	}
	return got
}

func TestExportImport(t *testing.T) {
	source := up(t, "source", node.Options{})
	value := strings.Repeat("x", 3000)
	for i := range 100 {
		set(t, source, fmt.Sprint(i), value)
	}
	var file bytes.Buffer
	clock, err := attach(t, node.Options{Dir: source.Dir()}).Export(t.Context(), &file, replica.ExportConfig{})
	if err != nil || clock[source.ID()].Seq != 100 {
		t.Fatalf("export: %v, %v", clock, err)
	}
	var direct bytes.Buffer
	if _, err := source.Export(t.Context(), &direct, replica.ExportConfig{}); err != nil || !bytes.Equal(direct.Bytes(), file.Bytes()) {
		t.Errorf("the node itself exports %d bytes, its socket %d (%v)", direct.Len(), file.Len(), err)
	}
	pub, err := os.ReadFile(filepath.Join(source.Dir(), "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	ways(t, func(t *testing.T, dir string, api node.API) {
		res, err := api.Import(t.Context(), bytes.NewReader(file.Bytes()))
		if err != nil || res.Updates != 100 || res.Refused != 100 || !errors.Is(res.First, keys.ErrUnknown) {
			t.Errorf("import of an author who is not trusted: %+v, %v", res, err)
		}
		if _, _, err := node.Trust(dir, pub); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the import is taken in", func() bool {
			res, err = api.Import(t.Context(), bytes.NewReader(file.Bytes()))
			return err == nil && res.Refused == 0
		})
		if got, want := dump(t, api), dump(t, source); got != want {
			t.Errorf("imported\n%.200s\nwant\n%.200s", got, want)
		}
		res, err = api.Import(t.Context(), bytes.NewReader(file.Bytes()[:file.Len()-5]))
		if err == nil || res.Runs == 0 {
			t.Errorf("import of a file that was cut short: %+v, %v", res, err)
		}
	})
}

func TestExtract(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		refs, err := api.SetMany(t.Context(), []node.Pair{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}})
		if err != nil {
			t.Fatal(err)
		}
		for i, ref := range refs {
			x, err := api.Extract(t.Context(), ref.Author, ref.Seq)
			if err != nil {
				t.Fatal(err)
			}
			checkExtract(t, x, ref)
			if len(x.Chain) != 2-i {
				t.Errorf("seq %d: a chain of %d headers", ref.Seq, len(x.Chain))
			}
		}
		if _, err := api.Extract(t.Context(), refs[0].Author, 3); !errors.Is(err, node.ErrNoUpdate) {
			t.Errorf("extract of an update that is not there: %v", err)
		}
	})
}

func checkExtract(t *testing.T, x *node.Extract, ref wire.Ref) {
	t.Helper()
	key, err := keys.ParsePublicKey(x.Key)
	if err != nil || key.ID() != ref.Author {
		t.Fatalf("key of %v: %v", key.ID(), err)
	}
	signer, namespace, sig, err := keys.ParseArmoredSignature(x.Sig)
	if err != nil || signer != key || namespace != wire.NamespaceUpdate {
		t.Fatalf("signature: %v, %q, %v", signer, namespace, err)
	}
	if err := key.Verify(namespace, x.Header, sig); err != nil {
		t.Error(err)
	}
	first, err := wire.ParseHeader(x.Chain[0])
	if err != nil || first.Hash() != ref.Hash || first.Digest != x.Digest || sha256.Sum256(x.Change) != x.Digest {
		t.Errorf("header %+v (%v) does not commit to the change", first, err)
	}
	if !bytes.Equal(x.Chain[len(x.Chain)-1], x.Header) {
		t.Error("the chain does not end in the signed header")
	}
}

// What a command learns does not depend on whether a node runs.
func TestSameAnswers(t *testing.T) {
	n := up(t, "a", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, n, "k", "v")
	set(t, b, "b", "w")
	waitValue(t, n, "b", "w")
	if _, err := n.Publish(t.Context(), "name", []byte("data")); err != nil {
		t.Fatal(err)
	}
	stop(t, b)
	ask := func(api node.API) string {
		ctx := t.Context()
		var out []any
		s := status(t, api)
		out = append(out, s.ID, s.Topics, s.Authors, s.Counts, s.Write)
		v, err := api.Get(ctx, "b")
		out = append(out, v, err)
		_, err = api.Get(ctx, "nothing")
		out = append(out, err.Error())
		out = append(out, dump(t, api), tail(t, api.Tail(ctx, node.TailQuery{}), -1))
		for _, seq := range []uint64{0, 1, 7} {
			x, err := api.Explain(ctx, b.ID(), seq)
			out = append(out, x, err)
		}
		text, err := json.MarshalIndent(out, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	direct := ask(n)
	socket := ask(attach(t, node.Options{Dir: n.Dir()}))
	if socket != direct {
		t.Errorf("through the socket:\n%s\nfrom the node:\n%s", socket, direct)
	}
	stop(t, n)
	offline := attach(t, node.Options{Dir: n.Dir(), Log: logger(t, "offline")})
	if got := ask(offline); got != direct {
		t.Errorf("offline:\n%s\nfrom the node:\n%s", got, direct)
	}
	if s := status(t, offline); s.Running || s.Listen == nil || s.Peers == nil {
		t.Errorf("offline status: %+v", s)
	}
}

func TestTopics(t *testing.T) {
	n := up(t, "a", node.Options{Topics: []string{"one", "two"}})
	two := attach(t, node.Options{Dir: n.Dir(), Topics: []string{"two"}})
	set(t, two, "k", "2")
	if _, err := n.Get(t.Context(), "k"); !errors.Is(err, node.ErrNoKey) {
		t.Errorf("what was set in one topic is in another: %v", err)
	}
	if _, err := node.Attach(t.Context(), node.Options{Dir: n.Dir(), Topics: []string{"three"}}); !errors.Is(err, node.ErrNoTopic) {
		t.Errorf("attached to a topic that is not there: %v", err)
	}
	r := up(t, "relay", node.Options{Relay: true, AnyKey: true, Topics: []string{"one"}})
	api := attach(t, node.Options{Dir: r.Dir()})
	if _, err := api.Set(t.Context(), "k", nil); !errors.Is(err, node.ErrRelay) {
		t.Errorf("set on a relay: %v", err)
	}
	if err := firstError(api.Dump(t.Context())); !errors.Is(err, node.ErrRelay) {
		t.Errorf("dump of a relay: %v", err)
	}
	if _, err := api.Export(t.Context(), new(bytes.Buffer), replica.ExportConfig{}); err != nil {
		t.Errorf("export of a relay: %v", err)
	}
}

func TestNodeStopsUnderCommands(t *testing.T) {
	n := up(t, "a", node.Options{})
	api := attach(t, node.Options{Dir: n.Dir()})
	changes, events := api.Watch(t.Context(), ""), api.Tail(t.Context(), node.TailQuery{Follow: true})
	direct := n.Watch(t.Context(), "")
	began := time.Now()
	stop(t, n)
	if took := time.Since(began); took > 2*time.Second { // requests that end by themselves get 3 s
		t.Errorf("the stop took %v", took)
	}
	for what, err := range map[string]error{
		"watch": firstError(changes), "tail": firstError(events), "watch on the node": firstError(direct),
	} {
		if !errors.Is(err, node.ErrClosed) {
			t.Errorf("%s ends with %v, want ErrClosed", what, err)
		}
	}
	if _, err := api.Get(t.Context(), "k"); err == nil {
		t.Error("a node that has stopped answers")
	}
	if err := n.Run(t.Context()); err != nil {
		t.Errorf("run of a node that has stopped: %v", err)
	}
}

func TestRun(t *testing.T) {
	n := up(t, "a", node.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop(t, up(t, "again", node.Options{Dir: n.Dir()})) // the locks are free
}

func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	n := up(t, "a", node.Options{Dir: dir})
	api := attach(t, node.Options{Dir: dir})
	set(t, api, "k", "v")
	socket := filepath.Join(dir, "hearsay.sock")
	if info, err := os.Stat(socket); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%s: %v, %v", socket, info, err)
	}
	// Attach finds it also where it would not be made.
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if v, err := attach(t, node.Options{Dir: dir}).Get(t.Context(), "k"); err != nil || string(v.Value) != "v" {
		t.Errorf("with another XDG_RUNTIME_DIR: %+v, %v", v, err)
	}
	target, err := os.Readlink(socket)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, n)
	for _, path := range []string{socket, target} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after the stop: %v", path, err)
		}
	}
	offline := attach(t, node.Options{Dir: dir})
	if v, err := offline.Get(t.Context(), "k"); err != nil || string(v.Value) != "v" {
		t.Errorf("offline: %+v, %v", v, err)
	}
}
