package kv_test

import (
	"bytes"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// backend is a kv.Backend in memory, which can be made to fail.
type backend struct {
	fail func(method string) error // nil: never

	mu     sync.Mutex // guards the fields below
	all    map[string]kv.Update
	whole  bool
	closed bool
}

func (b *backend) try(method string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		panic(method + " of a backend that is closed")
	}
	if b.fail != nil {
		return b.fail(method)
	}
	return nil
}

func (b *backend) Get(key string) (kv.Update, bool, error) {
	err := b.try("Get")
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.all[key]
	return u, ok, err
}

func (b *backend) Put(u kv.Update) error {
	err := b.try("Put")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[string]kv.Update)
	}
	if err == nil {
		b.all[u.Key] = u
	}
	return err
}

func (b *backend) All() iter.Seq2[kv.Update, error] {
	err := b.try("All")
	b.mu.Lock()
	all := maps.Clone(b.all)
	b.mu.Unlock()
	return func(yield func(kv.Update, error) bool) {
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
		if err != nil {
			yield(kv.Update{}, err)
		}
	}
}

func (b *backend) Rebuilt() error {
	if err := b.try("Rebuilt"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole {
		return errors.New("rebuilt twice")
	}
	b.whole = true
	return nil
}

func (b *backend) Close() error {
	err := b.try("Close")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return err
}

// shelf makes backends and remembers them.
type shelf struct {
	mu   sync.Mutex // guards the fields below
	all  []*backend
	fail func(method string) error
}

func (s *shelf) open() (kv.Backend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &backend{fail: s.try}
	s.all = append(s.all, b)
	if s.fail != nil {
		if err := s.fail("open"); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (s *shelf) try(method string) error {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(method)
}

func (s *shelf) failIn(methods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = func(method string) error {
		switch {
		case slices.Contains(methods, method):
			return errors.New("the disk is full in " + method)
		case slices.Contains(methods, "panic in "+method):
			panic("the disk is gone in " + method)
		}
		return nil
	}
}

// count counts the backends that are not closed.
func (s *shelf) count() (opened, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.all {
		b.mu.Lock()
		if !b.closed {
			open++
		}
		b.mu.Unlock()
	}
	return len(s.all), open
}

// TestBackend: one is open, two during a rebuild, none behind Close.
func TestBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shelf
		b := newNodeWith(t, kv.Config{Backend: s.open}, "bob", "alice")
		a := newNode(t, "alice", "bob")
		join(t, a, b)
		a.set(t, "k", "of alice")
		synctest.Wait()
		b.set(t, "k", "of bob")
		a.set(t, "hers", "")
		if _, err := a.kv.SetTTL(t.Context(), "short", []byte("v"), time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := a.kv.Delete(t.Context(), "hers"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !maps.Equal(contents(a.kv), contents(b.kv)) || b.kv.Len() != 2 {
			t.Errorf("alice has %v\nbob has %v", contents(a.kv), contents(b.kv))
		}
		changes := watch(t, b.kv, "")
		time.Sleep(time.Second)
		if got := told(changes); len(got) != 1 || got[0] != "short: v > - expired" || b.kv.Len() != 1 {
			t.Errorf("%q is told, and there are %d keys", got, b.kv.Len())
		}
		if kept := s.all[0].all["short"]; kept.Value != "v" || kept.Expires == 0 {
			t.Errorf("the backend has %+v of what has expired", kept)
		}
		if opened, open := s.count(); opened != 1 || open != 1 {
			t.Errorf("%d backends were opened, %d are", opened, open)
		}
		b.Admitted.Remove(a.Self())
		synctest.Wait()
		if opened, open := s.count(); opened != 2 || open != 1 || !s.all[0].closed || !s.all[1].whole {
			t.Errorf("behind a rebuild %d backends were opened, %d are", opened, open)
		}
		if b.get("k") != "of bob" || b.kv.Stats().Records != 1 {
			t.Errorf("without alice k is %q; %+v", b.get("k"), b.kv.Stats())
		}
		b.kv.Close()
		if _, open := s.count(); open != 0 {
			t.Errorf("behind Close %d backends are open", open)
		}
		if got := b.get("k"); got != "none" || len(dump(b.kv)) != 0 || b.kv.Stats().Faults != 0 {
			t.Errorf("behind Close %q is read; %+v", got, b.kv.Stats())
		}
	})
}

// TestBackendFails: every error and panic of a backend is counted and logged, and takes
// nothing with it but what it is about.
func TestBackendFails(t *testing.T) {
	for _, how := range []string{"", "panic in "} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s shelf
				var log bytes.Buffer
				n := newNodeWith(t, kv.Config{Backend: s.open, Log: slog.New(slog.NewTextHandler(&log, nil))}, "bob", "alice")
				n.set(t, "k", "v")
				faults := uint64(0)
				expect := func(method string) {
					t.Helper()
					faults++
					stats := n.kv.Stats()
					if stats.Faults != faults || !errors.Is(stats.Fault, kv.ErrBackend) || !strings.Contains(stats.Fault.Error(), method) {
						t.Errorf("%s: %+v, want %d faults", method, stats, faults)
					}
				}

				s.failIn(how + "Get")
				if got := n.get("k"); got != "none" {
					t.Errorf("%q is read", got)
				}
				expect("Get")
				notices := n.Notices(t.Context())
				n.set(t, "k", "lost") // it is signed and stored all the same
				expect("Get")
				s.failIn(how + "Put")
				n.set(t, "k", "lost as well")
				expect("Put")
				for range 2 {
					if notice := <-notices; notice.Kind != replica.Ignored || !strings.Contains(notice.Reason, "disk") {
						t.Errorf("%+v", notice)
					}
				}
				s.failIn(how + "All")
				dump(n.kv)
				expect("All")
				s.failIn()
				if n.get("k") != "v" || n.kv.Len() != 1 {
					t.Errorf("k is %q, of %d keys", n.get("k"), n.kv.Len())
				}
				if !strings.Contains(log.String(), "backend fails") {
					t.Errorf("the log is %q", &log)
				}
			})
		})
	}
}

// TestBackendRebuildFails: without a new backend readers keep the old one.
func TestBackendRebuildFails(t *testing.T) {
	var s shelf
	m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{Backend: s.open}, time.Now)
	a, b := update("a", 1, 1, kv.MustSet("k", "of a")), update("b", 1, 2, kv.MustSet("k", "of b"))
	expect := func(when, want string, faults uint64) {
		t.Helper()
		e, ok := m.Get("k")
		if string(e.Value) != want || ok != (want != "") || m.Stats().Faults != faults {
			t.Errorf("%s: %q, %v; %+v", when, e.Value, ok, m.Stats())
		}
	}
	livetest.Rebuild(t, model, a, b)
	expect("at first", "of b", 0)
	for _, how := range []string{"open", "panic in open"} {
		s.failIn(how)
		model.Reset()
		if changed, err := model.ApplyUpdate(a); changed || !errors.Is(err, kv.ErrBackend) {
			t.Errorf("%s: %v, %v", how, changed, err)
		}
		model.Rebuilt()
	}
	expect("with no new backend", "of b", 2)
	s.failIn("Rebuilt", "panic in Close")
	livetest.Rebuild(t, model, a)
	expect("with a new one that says that it is not whole, and an old one that does not close", "of a", 4)
	s.failIn()
	model.Reset()
	model.Reset() // the one before came to nothing
	apply(t, model, a, b)
	model.Rebuilt()
	expect("rebuilt", "of b", 4)
	model.Reset()
	m.Close()
	if _, open := s.count(); open != 3 { // which were never opened, or do not close
		t.Errorf("behind Close %d backends are open", open)
	}
}

func TestBackendMountFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		var s shelf
		for name, open := range map[string]func() (kv.Backend, error){
			"an error": func() (kv.Backend, error) { return nil, errors.New("no disk") },
			"a panic":  func() (kv.Backend, error) { panic("no disk") },
			"none":     func() (kv.Backend, error) { return nil, nil },
			"a Rebuilt that fails": func() (kv.Backend, error) {
				s.failIn("Rebuilt")
				return s.open()
			},
		} {
			if m, err := kv.Mount(n.Replica, "other", kv.Config{Backend: open}); !errors.Is(err, kv.ErrBackend) || m != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		m, err := kv.Mount(n.Replica, "other", kv.Config{}) // nothing is left mounted
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		if _, open := s.count(); open != 0 {
			t.Errorf("%d backends are open", open)
		}
	})
}

// TestBackendReaders reads while one backend takes the place of another, time after time.
func TestBackendReaders(t *testing.T) {
	var s shelf
	m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{Backend: s.open}, time.Now)
	u := update("a", 1, 1, kv.MustSet("k", "v"))
	livetest.Rebuild(t, model, u)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, ok := m.Get("k"); !ok {
					t.Error("the key is gone")
				}
				if n := len(dump(m)); n != 1 {
					t.Errorf("%d keys are listed", n)
				}
			}
		})
	}
	for range 3000 {
		livetest.Rebuild(t, model, u)
	}
	close(stop)
	readers.Wait()
	m.Close()
	if s := m.Stats(); s.Faults != 0 {
		t.Errorf("%+v", s)
	}
}

// TestBoltFile is TestStateIsAFunctionOfTheSet on a disk.
func TestBoltFile(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 3 {
		file, err := openBolt(filepath.Join(t.TempDir(), "map.db"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			rules{kv.Config{Backend: file.backend, Resolve: kv.StrictOrder}, kv.StrictOrder}.fold(t, seed, rng)
		})
		if err := file.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
