package archive_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// crashed makes an archive of two files, of which the second was left by a kill, and
// returns what had been flushed, and the replica, which has more.
func crashed(t *testing.T) (p *replica.Replica, dir string, flushed replica.Clock) {
	p, dir = open(t, "p"), t.TempDir()
	write(t, p, 2)
	send(t, p, dir, archive.Config{})
	write(t, p, 3)
	sendUnfinished(t, p, dir)
	flushed = p.Clock()
	write(t, p, 1)
	return p, dir, flushed
}

// damage calls f with the archive in dir after putting bytes in the place of its last file,
// made by alter of what that holds, for some of its bytes.
func damage(t *testing.T, dir string, alter func(whole []byte, n int) []byte, f func(n int, last string)) {
	t.Helper()
	names := filesIn(t, dir)
	damageFile(t, dir, names[len(names)-1], alter, f)
}

// damageFile is damage of a file: for every byte if HEARSAY_LONG is set, else for every
// seventh, from a random one on.
func damageFile(t *testing.T, dir, last string, alter func(whole []byte, n int) []byte, f func(n int, last string)) {
	t.Helper()
	names := filesIn(t, dir)
	whole, err := os.ReadFile(last)
	must(t, err)
	first, step := rand.IntN(7), 7
	if os.Getenv("HEARSAY_LONG") != "" {
		first, step = 0, 1
	}
	t.Logf("from byte %d on", first)
	for n := first; n < len(whole); n += step {
		must(t, os.WriteFile(last, alter(bytes.Clone(whole), n), 0o600))
		f(n, filepath.Base(last))
		if now := filesIn(t, dir); len(now) > len(names) {
			must(t, os.Remove(now[len(now)-1]))
		}
	}
}

// TestKilled: all that was flushed is read, also before anybody goes on.
func TestKilled(t *testing.T) {
	p, dir, flushed := crashed(t)
	if clock, _, faults := read(t, dir); !covers(clock, flushed) || len(faults) > 0 {
		t.Errorf("after the kill: %v with %v, want %v", clock, faults, flushed)
	}
	must(t, os.WriteFile(filepath.Join(dir, "00000003.hearsay"), nil, 0o600)) // killed when it had just been made
	if clock, _, faults := read(t, dir); !covers(clock, flushed) || len(faults) != 1 || !strings.Contains(faults[0].Error(), "is empty") {
		t.Errorf("with an empty file: %v with %v", clock, faults)
	}
	send(t, p, dir, archive.Config{})
	if clock, _, faults := read(t, dir); !covers(clock, p.Clock()) || len(faults) != 1 || !faults[0].Healed {
		t.Errorf("after going on: %v with %v, want %v", clock, faults, p.Clock())
	}
}

// TestTorn cuts the file that a kill has left at each of its bytes. It is read as far as
// its frames are whole, what is cut off is said, and who goes on leaves no hole.
func TestTorn(t *testing.T) {
	p, dir, _ := crashed(t)
	cut := func(whole []byte, n int) []byte { return whole[:n] }
	damage(t, dir, cut, func(n int, last string) {
		before, _, faults := read(t, dir)
		if before[p.Self()].Seq < 2 || len(faults) > 1 {
			t.Fatalf("cut to %d bytes: %v with %v", n, before, faults)
		}
		for _, f := range faults {
			if !f.Torn || f.Healed || f.File != last || f.Offset+f.Bytes != int64(n) {
				t.Fatalf("cut to %d bytes: %+v", n, f)
			}
		}
		send(t, p, dir, archive.TestOnlyUnsynced)
		after, _, faults := read(t, dir)
		if !covers(after, p.Clock()) {
			t.Fatalf("cut to %d bytes, and gone on: %v, want %v", n, after, p.Clock())
		}
		for _, f := range faults {
			if !f.Healed {
				t.Fatalf("cut to %d bytes, and gone on: %+v", n, f)
			}
		}
	})
}

// markSize is the length of a Mark frame.
const markSize = 19

func flip(whole []byte, n int) []byte {
	whole[n] ^= 1 << (n % 8)
	return whole
}

// TestFlipped flips a bit of each byte of the last file, finished or left by a kill. What
// is altered is named or makes no difference, nothing else is lost, and who goes on has
// it all again.
func TestFlipped(t *testing.T) {
	for _, finished := range []bool{false, true} {
		p, dir, _ := crashed(t)
		if finished {
			send(t, p, dir, archive.Config{})
			write(t, p, 1)
		}
		intact, _, _ := read(t, dir)
		damage(t, dir, flip, func(n int, last string) {
			clock, _, faults := read(t, dir)
			if len(faults) == 0 || faults[0].File != last {
				t.Fatalf("byte %d of %s, finished %v: %v", n, last, finished, faults)
			}
			if before := intact[p.Self()].Seq; clock[p.Self()].Seq+3 < before {
				t.Fatalf("byte %d: %v is read, of %v", n, clock, intact)
			}
			send(t, p, dir, archive.TestOnlyUnsynced)
			after, _, faults := read(t, dir)
			if !covers(after, p.Clock()) {
				t.Fatalf("byte %d, and gone on: %v with %v, want %v", n, after, faults, p.Clock())
			}
			for _, f := range faults {
				if !f.Healed {
					t.Fatalf("byte %d, and gone on: %+v", n, f)
				}
			}
		})
	}
}

// TestKilledAndFlipped flips a bit of each byte of a file that a kill has left, with
// statements behind its last mark that the next file has again. What comes all comes once.
func TestKilledAndFlipped(t *testing.T) {
	dir := t.TempDir()
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	xs, ys := x.Chain(topic, x.Start(), 1, 2, 1, 1), y.Chain(topic, y.Start(), 1, 1, 1, 2)
	w := archived(t, dir, [][]*wire.Run{{xs[0], ys[0]}, {xs[1], ys[1]}, {xs[2], ys[2]}})
	w.TestOnlyKill()
	first := filesIn(t, dir)[0]
	b, err := os.ReadFile(first)
	must(t, err)
	must(t, os.WriteFile(first, b[:len(b)-markSize], 0o600))
	w = archived(t, dir, [][]*wire.Run{xs[2:], ys[2:]})
	must(t, w.Close())
	intact, _, _ := read(t, dir)
	whole := 0
	damageFile(t, dir, first, flip, func(n int, _ string) {
		times, faults := readEach(t, dir)
		if len(faults) == 0 {
			t.Errorf("byte %d: no fault", n)
		}
		for id, ref := range intact {
			for seq := range ref.Seq {
				if times[wire.Ref{Author: id, Seq: seq + 1}] == 0 {
					return // what is lost is lost
				}
			}
		}
		whole++
		for ref, came := range times {
			if came > 1 {
				t.Errorf("byte %d: update %d of %v comes %d times, with %v", n, ref.Seq, ref.Author, came, faults)
			}
		}
	})
	if whole == 0 {
		t.Error("nothing had it all")
	}
}

// archived adds an export of some statements, with a mark behind each group of them.
func archived[S wire.Statement](t *testing.T, dir string, groups [][]S) *archive.Writer {
	t.Helper()
	w, err := archive.Create(dir, archive.TestOnlyUnsynced)
	must(t, err)
	out, err := wire.NewExportWriter(w, "test", topic)
	must(t, err)
	for _, group := range groups {
		for _, statement := range group {
			must(t, out.Write(statement))
		}
		must(t, out.Mark())
	}
	return w
}

// readEach returns how often each update comes out of an archive, without hashes.
func readEach(t *testing.T, dir string) (times map[wire.Ref]int, faults []archive.Fault) {
	t.Helper()
	r, err := archive.Open(dir)
	must(t, err)
	defer r.Close()
	in, err := wire.NewExportReader(r)
	must(t, err)
	times = make(map[wire.Ref]int)
	for {
		u, _, err := in.Next()
		if errors.Is(err, io.EOF) {
			return times, r.Faults()
		}
		must(t, err)
		if run, ok := u.(*wire.UnverifiedRun); ok {
			for seq := run.First(); seq <= run.Last(); seq++ {
				times[wire.Ref{Author: run.Author(), Seq: seq}]++
			}
		}
	}
}

// TestHealedInPart: what the next files do not have again yet is read where it is, and
// what is damaged there is not healed before they do.
func TestHealedInPart(t *testing.T) {
	x := wiretest.NewAuthor("x")
	xs := x.Chain(topic, x.Start(), 1, 1, 1, 1)
	for _, filesAgain := range []int{1, 3} {
		dir := t.TempDir()
		w := archived(t, dir, [][]*wire.Run{xs[:1], xs[1:2], xs[2:3], xs[3:]})
		must(t, w.Close())
		spoil(t, filesIn(t, dir)[0], xs[1])
		for last := 2; last <= 4; last++ {
			from := 1
			if filesAgain == 1 && last > 2 {
				must(t, os.Remove(filesIn(t, dir)[1]))
			} else {
				from = last - 1
			}
			archived(t, dir, [][]*wire.Run{xs[from:last]}).TestOnlyKill()
			times, faults := readEach(t, dir)
			for seq := uint64(1); seq <= 4; seq++ {
				if n := times[wire.Ref{Author: x.ID(), Seq: seq}]; n == 0 || last == 4 && n > 1 {
					t.Errorf("%d files have it again up to update %d: update %d comes %d times, with %+v", filesAgain, last, seq, n, faults)
				}
			}
			if len(faults) != 1 || faults[0].Healed != (last == 4) {
				t.Errorf("%d files have it again up to update %d: %+v", filesAgain, last, faults)
			}
		}
	}
}

// spoil damages a run in a file.
func spoil(t *testing.T, name string, run *wire.Run) {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	b[bytes.Index(b, run.Body())] ^= 1
	must(t, os.WriteFile(name, b, 0o600))
}

// TestHealedByCut: what a fork has cut off need not come again, but its proof must.
func TestHealedByCut(t *testing.T) {
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	xs := x.Chain(topic, x.Start(), 1, 1, 1)
	proof, err := wire.NewProof(xs[1], x.Run(topic, xs[0].End(), wiretest.Change(9, "c", "other")), 2)
	must(t, err)
	for name, test := range map[string]struct {
		then, again []wire.Statement
		healed      bool
	}{
		"cut later":    {[]wire.Statement{xs[2]}, []wire.Statement{proof}, true},
		"no proof yet": {[]wire.Statement{xs[2], proof}, []wire.Statement{xs[1], xs[2]}, false},
		"proof again":  {[]wire.Statement{xs[2], proof}, []wire.Statement{proof}, true},
	} {
		dir := t.TempDir()
		w := archived(t, dir, [][]wire.Statement{{xs[0]}, {xs[1]}, test.then})
		must(t, w.Close())
		spoil(t, filesIn(t, dir)[0], xs[1])
		archived(t, dir, [][]wire.Statement{test.again}).TestOnlyKill()
		for range 2 {
			times, faults := readEach(t, dir)
			if len(faults) != 1 || faults[0].Healed != test.healed {
				t.Errorf("%s: healed is to be %v: %+v", name, test.healed, faults)
			}
			if n := times[wire.Ref{Author: x.ID(), Seq: 3}]; (n == 0) != test.healed {
				t.Errorf("%s: update 3 comes %d times", name, n)
			}
			archived(t, dir, [][]*wire.Run{y.Chain(topic, y.Start(), 1)}).TestOnlyKill() // which changes nothing
		}
	}
}

// TestAgainAndDamaged: what the next file has again, damaged, is read where it was first.
func TestAgainAndDamaged(t *testing.T) {
	dir := t.TempDir()
	x := wiretest.NewAuthor("x")
	xs := x.Chain(topic, x.Start(), 1, 1, 1, 1, 1)
	archived(t, dir, [][]*wire.Run{xs[:1], xs[1:3]}).TestOnlyKill()
	first := filesIn(t, dir)[0]
	b, err := os.ReadFile(first)
	must(t, err)
	must(t, os.WriteFile(first, b[:len(b)-markSize], 0o600))
	must(t, archived(t, dir, [][]*wire.Run{xs[1:2], xs[2:3], xs[3:4]}).Close())
	must(t, archived(t, dir, [][]*wire.Run{xs[4:]}).Close())
	spoil(t, filesIn(t, dir)[1], xs[1])
	times, faults := readEach(t, dir)
	for seq := uint64(1); seq <= 5; seq++ {
		if times[wire.Ref{Author: x.ID(), Seq: seq}] == 0 {
			t.Errorf("update %d is not read, with %+v", seq, faults)
		}
	}
}
