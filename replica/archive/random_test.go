package archive_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestGoingOnLosesNothing: whatever kills and damage have made of an archive, nothing that
// could be read cannot any more because a writer has gone on, and without an unhealed fault
// nothing is missing.
func TestGoingOnLosesNothing(t *testing.T) {
	for range 30 {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { goOn(t, rand.New(rand.NewPCG(seed, 0))) }) {
			return
		}
	}
}

func goOn(t *testing.T, rnd *rand.Rand) {
	dir := t.TempDir()
	authors := wiretest.NewAuthors("random", 3)
	chains := make([][]*wire.Run, len(authors))
	for i, a := range authors {
		chains[i] = a.Chain(topic, a.Start(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	}
	var before map[wire.Ref]int
	for range 2 + rnd.IntN(6) {
		w, err := archive.Create(dir, archive.TestOnlyUnsynced)
		must(t, err)
		out, err := wire.NewExportWriter(w, "test", topic)
		must(t, err)
		for range rnd.IntN(8) {
			clock := w.Clock()
			for _, i := range rnd.Perm(len(authors))[:1+rnd.IntN(len(authors))] {
				for have := clock[authors[i].ID()].Seq; have < 10 && rnd.IntN(3) > 0; have++ {
					must(t, out.Write(chains[i][have]))
				}
			}
			must(t, out.Mark())
		}
		if rnd.IntN(2) == 0 {
			w.TestOnlyKill()
		} else {
			must(t, w.Close())
		}
		if len(filesIn(t, dir)) == 0 {
			continue
		}
		now, faults := readEach(t, dir)
		for ref := range before {
			if now[ref] == 0 {
				t.Fatalf("update %d of %v is not read any more, with %+v", ref.Seq, ref.Author, faults)
			}
		}
		missesNothing(t, dir, now, faults)
		harm(t, dir, rnd)
		r, err := archive.Open(dir)
		if errors.Is(err, archive.ErrNoArchive) {
			return // no start of a file is left
		}
		must(t, err)
		must(t, r.Close())
		before, _ = readEach(t, dir)
	}
}

// missesNothing checks that what an archive gives leads to its clock, if no fault says
// anything else.
func missesNothing(t *testing.T, dir string, gives map[wire.Ref]int, faults []archive.Fault) {
	t.Helper()
	if slices.ContainsFunc(faults, func(f archive.Fault) bool { return !f.Healed }) {
		return
	}
	r, err := archive.Open(dir)
	must(t, err)
	defer r.Close()
	for id, ref := range r.Clock() {
		for seq := range ref.Seq {
			if gives[wire.Ref{Author: id, Seq: seq + 1}] == 0 {
				t.Fatalf("update %d of %v is missing, and no fault says so: %+v", seq+1, id, faults)
			}
		}
	}
}

// harm cuts or flips a bit of a file, or does nothing.
func harm(t *testing.T, dir string, rnd *rand.Rand) {
	names := filesIn(t, dir)
	name := names[rnd.IntN(len(names))]
	b, err := os.ReadFile(name)
	must(t, err)
	switch rnd.IntN(4) {
	case 0:
		b = b[:rnd.IntN(len(b)+1)]
	case 1:
		if len(b) > 0 {
			b = flip(b, rnd.IntN(len(b)))
		}
	}
	must(t, os.WriteFile(name, b, 0o600))
}
