package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/store/storetest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	envRole = "HEARSAY_STORE_TEST_ROLE"
	envPath = "HEARSAY_STORE_TEST_PATH"
)

// TestMain lets the test binary be another process that uses a store.
func TestMain(m *testing.M) {
	path := os.Getenv(envPath)
	var err error
	switch os.Getenv(envRole) {
	case "":
		os.Exit(m.Run())
	case "open":
		var b *store.Bolt
		if b, err = store.OpenBolt(path, store.BoltOptions{LockTimeout: time.Millisecond}); err == nil {
			fmt.Println("open")
			err = b.Close()
		}
	case "append":
		err = appendForEver(path)
	case "records":
		err = recordForEver(path)
	case "limited":
		err = appendToLimit(path)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func command(t *testing.T, role, path string) *exec.Cmd {
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), envRole+"="+role, envPath+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// subprocess returns what the test binary prints in a role, whatever its exit code.
func subprocess(t *testing.T, role, path string) string {
	t.Helper()
	out, err := command(t, role, path).Output()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out)
}

const writers = 8

// appendForEver prints "writer seq" for each update that is acknowledged.
func appendForEver(path string) error {
	b, err := store.OpenBolt(path, store.BoltOptions{})
	if err != nil {
		return err
	}
	var tasks sync.WaitGroup
	for i, a := range wiretest.NewAuthors("writer", writers) {
		tasks.Go(func() {
			at := wholeRuns(b, a)
			for n := uint64(0); ; n++ {
				r := a.Chain(topic, at, 1+int(n%5))[0]
				if err := b.Append(context.Background(), r); err != nil {
					fmt.Println(err)
					return
				}
				at = r.End()
				if n%7 == 6 && i%2 == 0 {
					at = dropSome(b, a, at)
				}
				fmt.Printf("%d %d\n", i, at.Seq)
			}
		})
	}
	tasks.Wait()
	return nil
}

// dropSome truncates a chain by 5, perhaps into a run, and then to whole runs.
func dropSome(b *store.Bolt, a *wiretest.Author, at wire.Ref) wire.Ref {
	fmt.Printf("%d truncate\n", writerOf(a))
	_ = b.Truncate(context.Background(), topic, a.ID(), at.Seq-5)
	return wholeRuns(b, a)
}

// wholeRuns drops a run that a cut falls into, and returns the frontier.
func wholeRuns(b *store.Bolt, a *wiretest.Author) wire.Ref {
	at, _ := b.Frontier(topic, a.ID())
	prev := a.Start()
	for r := range b.Runs(topic, a.Start()) {
		if r.Last() > at.Seq {
			_ = b.Truncate(context.Background(), topic, a.ID(), prev.Seq)
			return prev
		}
		prev = r.End()
	}
	return prev
}

func writerOf(a *wiretest.Author) int {
	for i, w := range wiretest.NewAuthors("writer", writers) {
		if w.ID() == a.ID() {
			return i
		}
	}
	return -1
}

// TestKill kills a writer at random times. The store opens at once, is whole, and holds
// what was acknowledged.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "store.db")
	rounds := 6
	if os.Getenv("HEARSAY_LONG") != "" {
		rounds = 40 // each checks all that the ones before have written
	}
	for round := range rounds {
		acknowledged := killOnce(t, path, 1+rnd.IntN(400))
		b := openBolt(t, path)
		storetest.CheckClean(t, b)
		for i, a := range wiretest.NewAuthors("writer", writers) {
			ref, err := b.Frontier(topic, a.ID())
			if err != nil || ref.Seq < acknowledged[i] {
				t.Errorf("round %d: writer %d is stored up to %d, %v; acknowledged was %d", round, i, ref.Seq, err, acknowledged[i])
			}
		}
		must(t, b.Close())
	}
}

// killOnce kills a writer when it has printed a number of lines, and returns the last
// seq that each writer printed.
func killOnce(t *testing.T, path string, lines int) (acknowledged [writers]uint64) {
	killAfter(t, "append", path, lines, func(line string) {
		var i int
		var seq uint64
		if _, err := fmt.Sscanf(line, "%d %d", &i, &seq); err == nil {
			acknowledged[i] = seq
		} else if strings.HasSuffix(line, "truncate") {
			fmt.Sscanf(line, "%d", &i)
			acknowledged[i] = 0
		} else {
			t.Errorf("the writer says %q", line)
		}
	})
	return acknowledged
}

// killAfter kills the test binary in a role when it has printed a number of lines, and
// calls printed with each line, also with those that came before it died.
func killAfter(t *testing.T, role, path string, lines int, printed func(line string)) {
	t.Helper()
	cmd := command(t, role, path)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	killed := make(chan error, 1)
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		if n == lines {
			killed <- cmd.Process.Kill()
		}
		printed(in.Text())
	}
	select {
	case err := <-killed:
		must(t, err)
	default:
		t.Error("the writer stopped by itself")
	}
	_ = cmd.Wait()
}

// together is how many records recordForEver stores in one call.
const together = 50

// recordForEver has writers that each store the same number about many authors, again
// and again, one higher each time. It prints "writer number" when one is acknowledged.
func recordForEver(path string) error {
	b, err := store.OpenBolt(path, store.BoltOptions{})
	if err != nil {
		return err
	}
	authors := wiretest.NewAuthors("author", together)
	var tasks sync.WaitGroup
	for i := range writers {
		tasks.Go(func() {
			n, err := recorded(b, i)
			for err == nil {
				n++
				records := make([]store.Record, together)
				for j, a := range authors {
					records[j] = store.Record{Author: a.ID(), Body: fmt.Appendf(nil, "%0500d", n)}
				}
				if err = b.PutRecords(context.Background(), topic, recordKind(i), records...); err == nil {
					fmt.Println(i, n)
				}
			}
			fmt.Println(err)
		})
	}
	tasks.Wait()
	return nil
}

func recordKind(writer int) string { return fmt.Sprint("kind ", writer) }

// recorded returns the number that all records of a writer hold, 0 if there are none.
func recorded(s store.Store, writer int) (n int, err error) {
	count := 0
	for r, err := range s.Records(topic, recordKind(writer)) {
		if err != nil {
			return 0, err
		}
		held, err := strconv.Atoi(string(r.Body))
		if err != nil {
			return 0, err
		}
		if count++; count > 1 && held != n {
			return 0, fmt.Errorf("one record says %d, another one %d", n, held)
		}
		n = held
	}
	if count != 0 && count != together {
		return 0, fmt.Errorf("%d records of %d", count, together)
	}
	return n, nil
}

// TestKillAmongRecords kills a process that stores many records in each call, at random
// times: what is found is all of one call, and of none before the last acknowledged.
func TestKillAmongRecords(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "store.db")
	for round := range 5 {
		var acknowledged [writers]int
		killAfter(t, "records", path, 1+rnd.IntN(100), func(line string) {
			var i, n int
			if _, err := fmt.Sscanf(line, "%d %d", &i, &n); err != nil {
				t.Errorf("the writer says %q", line)
			}
			acknowledged[i] = n
		})
		b := openBolt(t, path)
		storetest.CheckClean(t, b)
		for i, least := range acknowledged {
			if n, err := recorded(b, i); err != nil || n < least {
				t.Errorf("round %d: of writer %d, %d is stored, %v; acknowledged was %d", round, i, n, err, least)
			}
		}
		must(t, b.Close())
	}
}
