package archive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

const topic = "t"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open starts a replica in memory; name is its author.
func open(t testing.TB, name string) *replica.Replica {
	t.Helper()
	r, err := replica.Open(t.Context(), replica.Config{Topic: topic, Store: store.NewMemory(), Verify: verify.AnyKey(), Signer: wiretest.Signer{Author: wiretest.NewAuthor(name)}})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// write makes n updates of the own author.
func write(t testing.TB, r *replica.Replica, n int) {
	t.Helper()
	for i := range n {
		_, err := r.LocalUpdate(t.Context(), "c", fmt.Appendf(nil, "change %d", i))
		must(t, err)
	}
}

// send adds what is new of r to the archive.
func send(t testing.TB, r *replica.Replica, dir string, cfg archive.Config) {
	t.Helper()
	w, err := archive.Create(dir, cfg)
	must(t, err)
	_, err = r.Export(t.Context(), w, replica.ExportConfig{After: w.Clock()})
	must(t, err)
	must(t, w.Close())
}

// sendUnfinished is send of a process that is killed when all is flushed.
func sendUnfinished(t testing.TB, r *replica.Replica, dir string) {
	t.Helper()
	w, err := archive.Create(dir, archive.Config{})
	must(t, err)
	ctx, kill := context.WithCancel(t.Context())
	killed := &until{w: w, at: r.Clock(), then: kill}
	if _, err := r.Export(ctx, killed, replica.ExportConfig{After: w.Clock(), Follow: true}); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.TestOnlyKill()
}

var errKilled = errors.New("killed")

// until passes writes on until the archive has a clock.
type until struct {
	w    *archive.Writer
	at   replica.Clock
	then func()
}

func (u *until) Write(b []byte) (int, error) {
	if covers(u.w.Clock(), u.at) {
		u.then()
		return 0, errKilled
	}
	n, err := u.w.Write(b)
	if err == nil && covers(u.w.Clock(), u.at) {
		u.then()
	}
	return n, err
}

func covers(have, want replica.Clock) bool {
	for id, ref := range want {
		if have[id] != ref {
			return false
		}
	}
	return true
}

// read verifies all that an archive gives: each author's updates follow each other.
func read(t testing.TB, dir string) (clock replica.Clock, proofs int, faults []archive.Fault) {
	t.Helper()
	r, err := archive.Open(dir)
	must(t, err)
	defer r.Close()
	in, err := wire.NewExportReader(r)
	must(t, err)
	clock = replica.Clock{}
	maps.Copy(clock, r.After())
	for {
		u, key, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		s, err := wire.Open(u, key)
		must(t, err)
		switch s := s.(type) {
		case *wire.Proof:
			proofs++
		case *wire.Run:
			if at := clock[s.Author()]; s.Prev().Seq != at.Seq || s.Prev().Hash != at.Hash {
				t.Errorf("a run from seq %d on comes behind seq %d", s.First(), at.Seq)
			}
			clock[s.Author()] = s.End()
		}
	}
	if !covers(r.Clock(), clock) {
		t.Errorf("the archive says that it leads to %v, and leads to %v", r.Clock(), clock)
	}
	return clock, proofs, r.Faults()
}

func filesIn(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.hearsay"))
	must(t, err)
	return names
}
