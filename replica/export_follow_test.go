package replica_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// sink keeps what is written, and can be looked at meanwhile.
type sink struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *sink) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.b.Bytes())
}

// held returns the last seq of each author in an export, how many fork proofs there are,
// and how it ends.
func held(file []byte) (last map[string]uint64, runs, proofs int, err error) {
	last = map[string]uint64{}
	in, err := wire.NewExportReader(bytes.NewReader(file))
	for err == nil {
		var u wire.Unverified
		u, _, err = in.Next()
		switch u := u.(type) {
		case *wire.UnverifiedRun:
			last[u.Author().String()] = u.Last()
			runs++
		case *wire.UnverifiedProof:
			proofs++
		}
	}
	return last, runs, proofs, err
}

func export(t *testing.T, p *peer, o replica.ExportConfig) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := p.Export(t.Context(), &file, o); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestExportAfter: what a clock has is left out, also from the middle of a run, and the
// two files make up the whole.
func TestExportAfter(t *testing.T) {
	p := open(t, "p", nil)
	p.write(t, "1", "2")
	first := export(t, p, replica.ExportConfig{})
	before := p.Clock()
	if _, err := p.LocalUpdates(t.Context(), "test", []byte("3"), []byte("4"), []byte("5")); err != nil {
		t.Fatal(err)
	}
	id := p.author.ID()
	second := export(t, p, replica.ExportConfig{After: before})
	if last, runs, _, err := held(second); !errors.Is(err, io.EOF) || runs != 1 || last[id.String()] != 5 {
		t.Errorf("after the first two: %d runs up to %v, %v", runs, last, err)
	}
	q := open(t, "", nil)
	for _, file := range [][]byte{first, second} {
		if res, err := q.Import(t.Context(), bytes.NewReader(file)); err != nil || res.Refused > 0 {
			t.Errorf("import: %+v, %v", res, err)
		}
	}
	if q.Clock()[id] != p.Clock()[id] {
		t.Errorf("imported %v, want %v", q.Clock()[id], p.Clock()[id])
	}
	for _, tt := range []struct {
		name  string
		after wire.Ref
		want  uint64 // runs
	}{
		{"inside a run, its hash unknown", wire.Ref{Seq: 4}, 1},
		{"all", wire.Ref{Author: id, Seq: 5, Hash: p.Clock()[id].Hash}, 0},
		{"more than all", wire.Ref{Author: id, Seq: 9, Hash: wire.Hash{1}}, 0},
		{"another history", wire.Ref{Author: id, Seq: 4, Hash: wire.Hash{1}}, 3},
		{"another history of all", wire.Ref{Author: id, Seq: 5, Hash: wire.Hash{1}}, 3},
	} {
		_, runs, _, err := held(export(t, p, replica.ExportConfig{After: replica.Clock{id: tt.after}}))
		if !errors.Is(err, io.EOF) || runs != int(tt.want) {
			t.Errorf("after %s: %d runs, want %d; %v", tt.name, runs, tt.want, err)
		}
	}
}

// TestExportFollows: each update is in the file as soon as it is stored, and so is a fork
// proof; the file ends when the context does.
func TestExportFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", atModern)
		p.write(t, "1")
		var file sink
		ctx, cancel := context.WithCancel(t.Context())
		var wrote replica.Clock
		var err error
		var over sync.WaitGroup
		over.Go(func() { wrote, err = p.Export(ctx, &file, replica.ExportConfig{Follow: true}) })
		id := p.author.ID().String()
		for n := uint64(1); n <= 3; n++ {
			synctest.Wait()
			if last, _, _, err := held(file.bytes()); last[id] != n || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d updates are in the file, want %d; %v", last[id], n, err)
			}
			p.write(t, "more")
		}
		x := wiretest.NewAuthor("x")
		one := x.Chain(topic, x.Start(), 1, 1)
		two := []*wire.Run{x.Run(topic, one[0].End(), wiretest.Change(1, "test", "another second"))}
		tell(t, p, x, one...)
		synctest.Wait()
		tell(t, p, x, two...)
		synctest.Wait()
		if last, _, proofs, _ := held(file.bytes()); last[x.ID().String()] != 2 || proofs != 1 {
			t.Errorf("of the author that forked there are %d updates and %d proofs, want 2 and 1", last[x.ID().String()], proofs)
		}
		cancel()
		over.Wait()
		last, _, _, end := held(file.bytes())
		if err != nil || !errors.Is(end, io.EOF) || last[id] != 4 || wrote[p.author.ID()].Seq != 4 {
			t.Errorf("at the end there are %d updates, %v says Export with %v; the file ends with %v", last[id], wrote, err, end)
		}
		over.Go(func() { _, err = p.Export(t.Context(), &file, replica.ExportConfig{Follow: true}) })
		synctest.Wait()
		p.Close()
		over.Wait()
		mustErr(t, err, replica.ErrClosed)
	})
}

// TestExportSaysWhatCounts: of an author that is cut while its updates are followed, Export
// returns what is left of them; nothing if that was there before.
func TestExportSaysWhatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "", atModern)
		x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
		var after []wire.Ref
		for _, a := range []*wiretest.Author{x, y} {
			one := a.Chain(topic, a.Start(), 1, 1, 1)
			tell(t, p, a, one...)
			after = append(after, one[0].End())
		}
		synctest.Wait()
		var file sink
		ctx, cancel := context.WithCancel(t.Context())
		var wrote replica.Clock
		var over sync.WaitGroup
		over.Go(func() {
			wrote, _ = p.Export(ctx, &file, replica.ExportConfig{Follow: true, After: replica.Clock{y.ID(): after[1]}})
		})
		synctest.Wait()
		for i, a := range []*wiretest.Author{x, y} {
			tell(t, p, a, a.Run(topic, after[i], wiretest.Change(1, "test", "another second")))
		}
		synctest.Wait()
		cancel()
		over.Wait()
		if len(wrote) != 1 || wrote[x.ID()] != after[0] {
			t.Errorf("it says that it wrote %v, want %v", wrote, after[0])
		}
		if _, _, proofs, _ := held(file.bytes()); proofs != 2 {
			t.Errorf("%d fork proofs, want 2", proofs)
		}
		p.Close()
	})
}

// TestImportEnds: one that is given up leaves nothing behind when its replica is closed.
func TestImportEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", atModern)
		p.write(t, "1", "2")
		file := export(t, p, replica.ExportConfig{})
		p.Close()
		q := open(t, "", func(c *replica.Config) { atModern(c); c.Verify = unsure(time.Hour) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := q.Import(ctx, bytes.NewReader(file))
		mustErr(t, err, context.DeadlineExceeded)
		q.Close() // and synctest finds what is left
	})
}

// TestExportFollowsAdmission: an author that is admitted again is in the file from then on.
func TestExportFollowsAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		k := &keyring{in: map[keys.NodeID]keys.PublicKey{x.ID(): x.Key()}, changed: make(chan struct{})}
		s := store.NewMemory()
		p := open(t, "", func(c *replica.Config) { atModern(c); c.Store, c.Keystore, c.Verify = s, k, nil })
		tell(t, p, x, x.Chain(topic, x.Start(), 2)...)
		synctest.Wait()
		k.set(false, x)
		synctest.Wait()
		var file sink
		ctx, cancel := context.WithCancel(t.Context())
		var over sync.WaitGroup
		over.Go(func() { p.Export(ctx, &file, replica.ExportConfig{Follow: true}) })
		synctest.Wait()
		if _, runs, _, _ := held(file.bytes()); runs != 0 {
			t.Errorf("%d runs of an author that is not admitted", runs)
		}
		k.set(true, x)
		synctest.Wait()
		if last, _, _, _ := held(file.bytes()); last[x.ID().String()] != 2 {
			t.Errorf("after it was admitted again: %v", last)
		}
		cancel()
		over.Wait()
		p.Close()
	})
}

// TestExportWriterFails: what the writer says is what Export says.
func TestExportWriterFails(t *testing.T) {
	p := open(t, "p", nil)
	p.write(t, "1")
	r, w := io.Pipe()
	full := errors.New("the disk is full")
	r.CloseWithError(full)
	for _, follow := range []bool{false, true} {
		_, err := p.Export(t.Context(), w, replica.ExportConfig{Follow: follow})
		mustErr(t, err, full)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Export(ctx, io.Discard, replica.ExportConfig{})
	mustErr(t, err, context.Canceled)
}
