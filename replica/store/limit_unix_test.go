//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

// appendToLimit fills a store until its file may not grow, several times, with a
// little more room each time, and prints "ok" when it behaved.
func appendToLimit(path string) error {
	b, err := store.OpenBolt(path, store.BoltOptions{})
	if err != nil {
		return err
	}
	a := wiretest.NewAuthor("a")
	at := a.Start()
	for limit := uint64(1 << 20); limit <= 3<<20; limit += 1 << 20 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: 1 << 40}); err != nil {
			return err
		}
		stored := 0
		for {
			r := a.Chain(topic, at, 200)[0]
			err := b.Append(context.Background(), r)
			if err == nil {
				at = r.End()
				stored++
				continue
			}
			if !errors.Is(err, store.ErrWrite) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), path) {
				return fmt.Errorf("the error says %w", err)
			}
			break
		}
		if ref, err := b.Frontier(topic, a.ID()); err != nil || ref != at || stored == 0 {
			return fmt.Errorf("with %d bytes: frontier %v, %v after %d runs, acknowledged %v", limit, ref, err, stored, at)
		}
		read := uint64(0)
		for r, err := range b.Runs(topic, a.Start()) {
			if err != nil {
				return err
			}
			read = r.Last()
		}
		if read != at.Seq {
			return fmt.Errorf("read up to %d of %d", read, at.Seq)
		}
		if err := b.Check(context.Background(), func(f store.Fault) { fmt.Println(&f) }); err != nil {
			return err
		}
	}
	fmt.Println("ok")
	return b.Close()
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if out := subprocess(t, "limited", path); out != "ok\n" {
		t.Fatal(out)
	}
	if errs, _ := faults(path, store.BoltOptions{}); len(errs) > 0 {
		t.Error(errs)
	}
}
