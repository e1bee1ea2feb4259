// Command sim simulates replicas on a network that fails and lies, seed after seed, and
// says which seeds break an invariant: see package dst and docs/simulator.md.
//
//	go run ./fuzz/sim -for 10m
//	go run ./fuzz/sim -seed 17 -n 1 -trace
//
// It exits with 1 when a seed fails, after a smaller plan that fails the same way has been
// looked for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
)

type settings struct {
	length  time.Duration
	seed    uint64
	n       uint64
	workers int
	keep    string
	drop    string
	trace   bool
	plan    bool
	shrink  bool
}

func main() {
	var s settings
	flag.DurationVar(&s.length, "for", 0, "go on for so long, one seed at least; 0: until -n seeds have been played")
	flag.Uint64Var(&s.seed, "seed", 1, "the first seed")
	flag.Uint64Var(&s.n, "n", 0, "play so many seeds; 0: until -for is over, or 200 without it")
	flag.IntVar(&s.workers, "workers", 2, "seeds at the same time")
	flag.StringVar(&s.keep, "keep", "", "the numbers of the ops to keep, with commas, or `none`; empty: all")
	flag.StringVar(&s.drop, "drop", "", "the numbers of the nodes to leave out, with commas")
	flag.BoolVar(&s.trace, "trace", false, "print all that happens to stdout")
	flag.BoolVar(&s.plan, "plan", false, "print the plan of each seed to stdout, and play nothing")
	flag.BoolVar(&s.shrink, "shrink", true, "look for a smaller plan when a seed fails")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "sim: error: %q is no flag\n", flag.Arg(0))
		os.Exit(2)
	}
	if s.length < 0 || s.workers < 1 {
		fmt.Fprintln(os.Stderr, "sim: error: -for is not negative, and -workers is 1 or more")
		os.Exit(2)
	}
	if s.n == 0 && s.length == 0 && !s.plan {
		s.n = 200
	}
	// Virtual time (testing/synctest) is only to be had inside of a test.
	os.Args = os.Args[:1]
	play := testing.InternalTest{Name: "sim", F: func(t *testing.T) { os.Exit(run(t, s)) }}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{play}, nil, nil)
}

// planOf makes the plan of a seed, as far as the flags keep it.
func (s *settings) planOf(seed uint64) (dst.Plan, error) {
	p := dst.NewPlan(seed)
	drop, err := numbers(s.drop)
	if err != nil {
		return p, err
	}
	for _, i := range drop {
		if i < 0 || i >= len(p.Nodes) {
			return p, fmt.Errorf("seed %d has no node %d", seed, i)
		}
		p, _ = p.Without(i)
	}
	if s.keep == "" {
		return p, nil
	}
	keep, err := numbers(strings.TrimPrefix(s.keep, "none"))
	for _, i := range keep {
		if i < 0 || i >= len(p.Ops) {
			err = fmt.Errorf("seed %d has no op %d", seed, i)
		}
	}
	return p.Keep(keep), err
}

func numbers(list string) (out []int, err error) {
	for _, f := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", f)
		}
		out = append(out, n)
	}
	return out, nil
}

func run(t *testing.T, s settings) int {
	if _, err := s.planOf(s.seed); err != nil {
		fmt.Fprintf(os.Stderr, "sim: error: %v\n", err)
		return 2
	}
	if s.plan {
		for seed := s.seed; seed < s.seed+max(s.n, 1); seed++ {
			p, _ := s.planOf(seed)
			fmt.Print(p)
		}
		return 0
	}
	began := time.Now()
	var next, played, frames, virtual atomic.Int64
	var failed sync.Once
	var exit atomic.Int64
	bar := progress(s)
	stopped, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	context.AfterFunc(stopped, stop) // a second signal ends it at once
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for exit.Load() == 0 && stopped.Err() == nil {
				i := uint64(next.Add(1) - 1)
				if s.n > 0 && i >= s.n || i > 0 && s.length > 0 && time.Since(began) >= s.length {
					return
				}
				p, _ := s.planOf(s.seed + i)
				r := dst.Run(t, p, s.options())
				played.Add(1)
				frames.Add(int64(r.Frames))
				virtual.Add(int64(r.Virtual))
				bar.step(began, played.Load())
				if r.Failure != nil {
					failed.Do(func() {
						exit.Store(1)
						bar.done()
						report(t, s, p, r.Failure)
					})
				}
			}
		})
	}
	workers.Wait()
	bar.done()
	fmt.Fprintf(os.Stderr, "%d seeds from %d, %d frames, %v of virtual time in %v\n",
		played.Load(), s.seed, frames.Load(), time.Duration(virtual.Load()).Round(time.Minute), time.Since(began).Round(time.Second))
	return int(exit.Load())
}

func (s *settings) options() (o dst.Options) {
	if s.trace {
		o.Trace = func(line string) { fmt.Println(line) }
	}
	return o
}

// report says what failed and how to see it again.
func report(t *testing.T, s settings, p dst.Plan, f *dst.Failure) {
	fmt.Fprintf(os.Stderr, "\nsim: seed %d: %v\n", p.Seed, f)
	if s.shrink {
		fmt.Fprintf(os.Stderr, "sim: looking for a smaller plan…\n")
		p = dst.Shrink(t, p, dst.Options{}, f.Rule)
	}
	var keep, drop []string
	for _, i := range p.Kept() {
		keep = append(keep, strconv.Itoa(i))
	}
	for i, n := range p.Nodes {
		if n.Gone {
			drop = append(drop, strconv.Itoa(i))
		}
	}
	if keep == nil {
		keep = []string{"none"}
	}
	fmt.Fprintf(os.Stderr, "%vsim: see it again: go run ./fuzz/sim -seed %d -n 1 -trace -keep %s", p, p.Seed, strings.Join(keep, ","))
	if drop != nil {
		fmt.Fprintf(os.Stderr, " -drop %s", strings.Join(drop, ","))
	}
	fmt.Fprintln(os.Stderr)
}

// meter is the progress line, on stderr when that is a terminal.
type meter struct {
	mu     sync.Mutex // guards bar
	bar    *progressbar.ProgressBar
	length time.Duration
}

func progress(s settings) *meter {
	m := &meter{length: s.length}
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || s.trace {
		return m
	}
	most := int64(s.n)
	if s.length > 0 {
		most = int64(s.length / time.Second)
	}
	m.bar = progressbar.NewOptions64(most, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true))
	return m
}

func (m *meter) step(began time.Time, played int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar == nil {
		return
	}
	m.bar.Describe(fmt.Sprintf("%d seeds", played))
	if m.length > 0 {
		played = int64(time.Since(began) / time.Second)
	}
	m.bar.Set64(min(played, m.bar.GetMax64()))
}

func (m *meter) done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		m.bar.Finish()
		m.bar = nil
	}
}
