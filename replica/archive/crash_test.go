package archive_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
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
// made by alter of what that holds: for every byte if HEARSAY_LONG is set, else for every
// seventh, from a random one on.
func damage(t *testing.T, dir string, alter func(whole []byte, n int) []byte, f func(n int, last string)) {
	t.Helper()
	names := filesIn(t, dir)
	last := names[len(names)-1]
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
		flip := func(whole []byte, n int) []byte {
			whole[n] ^= 1 << (n % 8)
			return whole
		}
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
