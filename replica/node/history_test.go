package node_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// seqs returns the seqs of what History yields.
func seqs(t *testing.T, api node.API, s replica.Selection) (seqs []uint64) {
	t.Helper()
	for u, err := range api.History(t.Context(), s) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Time.IsZero() || u.Hash == (wire.Hash{}) || len(u.Change) == 0 || !u.Local {
			t.Errorf("update %+v", u)
		}
		seqs = append(seqs, u.Seq)
	}
	return seqs
}

func TestHistory(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		var self keys.NodeID
		for _, key := range []string{"a", "b"} {
			ref, err := api.Set(t.Context(), key, []byte("1"))
			if err != nil {
				t.Fatal(err)
			}
			self = ref.Author
		}
		if _, err := api.Publish(t.Context(), "door", []byte("opened")); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			s    replica.Selection
			want []uint64
		}{
			{"all", replica.Selection{}, []uint64{1, 2, 3}},
			{"by time", replica.Selection{Order: replica.ByTime}, []uint64{1, 2, 3}},
			{"a channel", replica.Selection{Channels: []string{"events"}}, []uint64{3}},
			{"after", replica.Selection{After: replica.Clock{self: {Author: self, Seq: 1}}}, []uint64{2, 3}},
			{"an author", replica.Selection{Authors: []keys.NodeID{self}}, []uint64{1, 2, 3}},
			{"another author", replica.Selection{Authors: []keys.NodeID{{0x12, 0x20}}}, nil},
		} {
			if got := seqs(t, api, tt.s); !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
		for _, err := range api.History(t.Context(), replica.Selection{Order: 9}) {
			if err == nil {
				t.Error("an order that there is not")
			}
		}
	})
}

// TestExportFollows: what is written comes at once, behind a clock, until the context ends.
func TestExportFollows(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ref, err := api.Set(t.Context(), "a", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var wrote replica.Clock
		go func() {
			var err error
			wrote, err = api.Export(ctx, w, replica.ExportConfig{After: replica.Clock{ref.Author: ref}, Follow: true})
			w.CloseWithError(err)
			done <- err
		}()
		var last wire.Ref
		in, err := wire.NewExportReader(r)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			next, err := api.Set(t.Context(), "a", []byte("more"))
			if err != nil {
				t.Fatal(err)
			}
			u, _, err := in.Next()
			if err != nil {
				t.Fatal(err)
			}
			if last = u.(*wire.UnverifiedRun).UnverifiedEnd(); last != next {
				t.Errorf("a run up to %v comes, want %v", last, next)
			}
		}
		cancel()
		if _, _, err := in.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the file ends with %v", err)
		}
		if err := <-done; err != nil || len(wrote) != 1 || wrote[ref.Author] != last {
			t.Errorf("at the end: %v, %v; want %v", wrote, err, last)
		}
	})
}

// TestExportAfterMany: a clock may have as many authors as a digest.
func TestExportAfterMany(t *testing.T) {
	ways(t, func(t *testing.T, _ string, api node.API) {
		ref, err := api.Set(t.Context(), "a", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		after := replica.Clock{ref.Author: ref}
		for i := range 4 * wire.MaxDigestRefs {
			id := keys.NodeID{0x12, 0x20, byte(i >> 16), byte(i >> 8), byte(i)}
			after[id] = wire.Ref{Author: id, Seq: math.MaxInt64, Hash: wire.Hash{1}}
		}
		wrote, err := api.Export(t.Context(), io.Discard, replica.ExportConfig{After: after})
		if err != nil || len(wrote) > 0 {
			t.Errorf("%v, %v", wrote, err)
		}
	})
}

// TestExportFollowsUntilClose: a node that stops says so.
func TestExportFollowsUntilClose(t *testing.T) {
	n := up(t, "a", node.Options{})
	api := attach(t, node.Options{Dir: n.Dir()})
	var file bytes.Buffer
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := api.Export(t.Context(), io.MultiWriter(&file, w), replica.ExportConfig{Follow: true})
		w.Close()
		done <- err
	}()
	if _, err := wire.ReadExportStart(r); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	stop(t, n)
	if err := <-done; !errors.Is(err, node.ErrClosed) && !errors.Is(err, replica.ErrClosed) {
		t.Errorf("at the end: %v", err)
	}
}
