// Package bench measures a whole hearsay on this machine. Every figure is meant to be
// read beside the one of the same run that its ratio is to: machines are noisy, ratios
// less so. What attackers sign is signed before a clock starts.
package bench

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Result is what one case measured.
type Result struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	Ratio     float64 `json:"ratio"`
	To        string  `json:"ratio_to"` // what Ratio is to
	Memory    Memory  `json:"memory"`
	// Figures are what else the case found out.
	Figures []Figure `json:"figures,omitempty"`
	// Skipped says why the case could not be measured here; all but its name is zero then.
	Skipped string `json:"skipped,omitempty"`
	What    string `json:"-"`
}

// Memory is what a case took at most while its clock ran, in bytes.
type Memory struct {
	// Heap is objects, on top of those that were there before. Garbage counts until it is
	// collected.
	Heap uint64 `json:"heap"`
	// RSS is what the whole process had resident, its mapped store files and what the
	// case was fed with included; 0 where the system does not tell.
	RSS uint64 `json:"rss,omitempty"`
}

// Figure is a number beside a case's rate.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Options says what to measure. The zero value is everything.
type Options struct {
	Only []string // the names of cases; raw-verify is always among them
}

const (
	topic      = "bench"
	changeSize = 200 // bytes of a change
	span       = 1500 * time.Millisecond
)

// toRaw and toAll are what ratios are to, unless a case has a base of its own.
const (
	toRaw = "raw-verify"
	toAll = "raw-verify of all cores"
)

// measured is what a case found. A base of 0 stands for raw-verify.
type measured struct {
	rate    float64 // per second
	base    float64
	to      string
	memory  Memory
	cpu     time.Duration // of the process, where the case looked at it
	figures []Figure
}

// measure is a case, with its files in dir.
type measure func(ctx context.Context, dir string) (measured, error)

// bench is one case by name.
type bench struct {
	name, what string
	run        measure
}

// Run measures, and reports each case when it is known.
func Run(ctx context.Context, o Options, report func(Result)) error {
	return run(ctx, 1, o, report)
}

// run is Run with a part of the work, for tests.
func run(ctx context.Context, part int, o Options, report func(Result)) error {
	span := span / time.Duration(part)
	dir, err := os.MkdirTemp("", "hearsay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	raw, all := rawVerify(1, span), rawVerify(runtime.GOMAXPROCS(0), span)
	report(Result{Name: toRaw, PerSecond: raw, Ratio: 1, To: toRaw, What: "ed25519.Verify of 200 bytes, one core"})
	for i, c := range cases(part, all) {
		if len(o.Only) > 0 && !slices.Contains(o.Only, c.name) {
			continue
		}
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(sub, 0o700); err != nil {
			return err
		}
		m, err := c.run(ctx, sub)
		if errors.Is(err, errNotHere) {
			report(Result{Name: c.name, Skipped: err.Error()})
			continue
		}
		if err != nil {
			return fmt.Errorf("bench: %s: %w", c.name, err)
		}
		if m.base == 0 {
			m.base, m.to = raw, toRaw
		}
		report(Result{c.name, m.rate, m.rate / m.base, m.to, m.memory, m.figures, "", c.what})
		os.RemoveAll(sub)
		debug.FreeOSMemory() // the next case's RSS is its own
	}
	return nil
}

// cases returns all cases but raw-verify, each with a part of its work. all is the rate
// of raw-verify on all cores.
func cases(part int, all float64) []bench {
	c := &crowd{perAuthor: max(1, 200/part)}
	span := span / time.Duration(part)
	return []bench{
		{"bulk-1", "verified, stored and applied, 1 update a signature", bulk(1, 20_000/part)},
		{"bulk-16", "the same, 16 updates a signature", bulk(16, 150_000/part)},
		{"bulk-256", "the same, 256 updates a signature", bulk(256, 500_000/part)},
		{"link-bulk", "from one replica to another over a loopback link, 256 a signature", linkBulk(500_000 / part)},
		{"live-100-authors", "single updates of 100 authors over a link, receiving side", live(c, all)},
		{"local-update", "signed, stored and applied, 64 writers at once", localUpdate(span)},
		{"key-ed25519", "as local-update, with an ed25519 key; the ratio is to one writer, whose updates have a signature each", kind(keygen.Ed25519, 0, false, span)},
		{"key-rsa2048", "the same with an RSA key of 2048 bits", kind(keygen.RSA, 2048, false, span)},
		{"key-rsa3072", "the same with an RSA key of 3072 bits", kind(keygen.RSA, 3072, false, span)},
		{"key-rsa4096", "the same with an RSA key of 4096 bits", kind(keygen.RSA, 4096, false, span)},
		{"agent-ed25519", "the same with an ed25519 key in an ssh-agent", kind(keygen.Ed25519, 0, true, span)},
		{"agent-rsa3072", "the same with an RSA key of 3072 bits in an ssh-agent", kind(keygen.RSA, 3072, true, span)},
		{"lookup-dir", "look-ups of keys in a directory of 1,000; the ratio is to the first of each in one that is opened for it", lookups(1000/part, span/3, inDirectory)},
		{"lookup-server", "the same at a key server over loopback, many in a request", lookups(1000/part, span/3, atServer)},
		{"lookup-cache", "the same with a cache in front, and all at the same time", lookups(1000/part, span/3, inCache)},
		{"keygen", "keys of a fleet made, each in two files that are durable", fleet(1000 / part)},
		{"live-unavailable", "as live-100-authors, while the keystore has no answer for one author more; the ratio is to the same without", liveUnavailable(c)},
		{"rebuild-100k", "folded again after a cut; the ratio is to folding them from the store the first time", rebuild(1000, 100_000/part)},
		{"rebuild-1m", "the same, 1,000,000 updates", rebuild(1000, 1_000_000/part)},
		{"fork-converge", "updates above a fork, until two replicas that hold a branch each and one that watches are cut and rebuilt", forkConverge(256, 100_000/part)},
		{"fork-converge-1", "the same, 10,000 updates, 1 update a signature", forkConverge(1, 10_000/part)},
		{"heads-10k", "heads that a relay with 4 links verifies, stores and passes on in a second of CPU time, of 10,000 authors", heads(10_000 / part)},
		{"live-flood", "as live-100-authors, while one admitted author floods; the ratio is to the same without", liveFlood(c, 1, 20_000/part)},
		{"live-flood-256", "the same, 256 updates a signature", liveFlood(c, wire.MaxEntries, 800_000/part)},
		{"live-mallory", "the same, while hearsay mallory floods with authors, updates and look-ups", liveMallory(c, "flood-authors,flood-lookups,flood-updates", mallorySays/part)},
		{"live-mallory-asks", "the same, while it asks for everything all the time", liveMallory(c, "flood-digests", mallorySays/part)},
		{"live-fork-storm", "the same on 100,000 updates, while one author forks 1,000 times, each below the last", liveForkStorm(c, 100_000/part, 1000/part)},
		{"live-fork-crowd", "the same, while 1,000 throw-away authors fork once each", liveForkCrowd(c, 100_000/part, 1000/part)},
	}
}

// Names returns the names of all cases.
func Names() []string {
	names := []string{toRaw}
	for _, c := range cases(1, 0) {
		names = append(names, c.name)
	}
	return names
}

// CheckName returns an error that lists the cases if there is none of that name.
func CheckName(name string) error {
	if names := Names(); !slices.Contains(names, name) {
		return fmt.Errorf("no such case; there are %s", strings.Join(names, ", "))
	}
	return nil
}

// rawVerify returns how many ed25519 signatures a second the given number of cores check.
func rawVerify(cores int, span time.Duration) float64 {
	public, private, _ := ed25519.GenerateKey(nil)
	msg := make([]byte, changeSize)
	sig := ed25519.Sign(private, msg)
	var total int
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for range cores {
		wg.Go(func() {
			n := 0
			for ; time.Since(start) < span; n++ {
				if !ed25519.Verify(public, msg, sig) {
					panic("bench: a good signature does not verify")
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	wg.Wait()
	return float64(total) / time.Since(start).Seconds()
}
