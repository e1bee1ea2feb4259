package archive_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

const envDir = "HEARSAY_ARCHIVE_TEST_DIR"

// TestMain lets the test binary be another process that exports.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		fmt.Println(exportForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// stored opens the replica whose store is in dir.
func stored(ctx context.Context, dir string) (*replica.Replica, *store.Bolt, error) {
	s, err := store.OpenBolt(filepath.Join(dir, "store.db"), store.BoltOptions{LockTimeout: 5 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	r, err := replica.Open(ctx, replica.Config{Topic: topic, Store: s, Verify: verify.AnyKey(), Signer: wiretest.Signer{Author: wiretest.NewAuthor("p")}})
	return r, s, err
}

// printing prints the last own update that the archive has durably.
type printing struct{ *archive.Writer }

func (p printing) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	for _, ref := range p.Clock() {
		fmt.Println(ref.Seq)
	}
	return n, err
}

// exportForEver writes, and follows that into an archive.
func exportForEver(dir string) error {
	ctx := context.Background()
	r, _, err := stored(ctx, dir)
	if err != nil {
		return err
	}
	w, err := archive.Create(filepath.Join(dir, "a"), archive.Config{MaxBytes: 5000})
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() {
		_, err := r.Export(ctx, printing{w}, replica.ExportConfig{After: w.Clock(), Follow: true})
		failed <- err
	}()
	go func() {
		for n := 0; ; n++ {
			if _, err := r.LocalUpdate(ctx, "c", fmt.Appendf(nil, "change %d", n)); err != nil {
				failed <- err
				return
			}
		}
	}()
	return <-failed
}

// TestKill kills a process that exports, again and again. What it had said to be durable is
// in the archive, and the next one goes on without a hole.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for range 4 {
		said := killAfter(t, dir, 1+rnd.IntN(100))
		clock, _, faults := read(t, filepath.Join(dir, "a"))
		if got := clock[wiretest.NewAuthor("p").ID()].Seq; got < said {
			t.Errorf("%d updates are there, %d were said to be durable", got, said)
		}
		for _, f := range faults {
			if !f.Torn {
				t.Error(&f)
			}
		}
	}
	r, s, err := stored(t.Context(), dir)
	must(t, err)
	defer s.Close()
	defer r.Close()
	send(t, r, filepath.Join(dir, "a"), archive.Config{})
	if clock, _, faults := read(t, filepath.Join(dir, "a")); !covers(clock, r.Clock()) {
		t.Errorf("at the end: %v with %v, want %v", clock, faults, r.Clock())
	}
}

// killAfter kills a process that exports when it has printed a number of lines, and
// returns the last one.
func killAfter(t *testing.T, dir string, lines int) (last uint64) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env, cmd.Stderr = append(os.Environ(), envDir+"="+dir), os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	in := bufio.NewScanner(out)
	for n := 1; in.Scan(); n++ {
		if n == lines {
			must(t, cmd.Process.Kill())
		}
		if _, err := fmt.Sscan(in.Text(), &last); err != nil {
			t.Fatalf("the process says %q", in.Text())
		}
	}
	_ = cmd.Wait()
	return last
}
