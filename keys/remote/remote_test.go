package remote_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/server"
)

func TestOpenChecksItsConfig(t *testing.T) {
	dir := t.TempDir()
	for name, cfg := range map[string]remote.Config{
		"no URL":          {Signer: adminID(t), Dir: dir},
		"not http":        {URL: "ftp://x", Signer: adminID(t), Dir: dir},
		"no host":         {URL: "http://", Signer: adminID(t), Dir: dir},
		"a query":         {URL: "http://x/?a=b", Signer: adminID(t), Dir: dir},
		"a password":      {URL: "http://me:secret@x/", Signer: adminID(t), Dir: dir},
		"no signer":       {URL: "http://x", Dir: dir},
		"no directory":    {URL: "http://x", Signer: adminID(t)},
		"no such place":   {URL: "http://x", Signer: adminID(t), Dir: filepath.Join(dir, "none")},
		"a broken escape": {URL: "http://x/%zz", Signer: adminID(t), Dir: dir},
	} {
		if s, err := remote.Open(cfg); err == nil {
			s.Close()
			t.Errorf("%s is taken", name)
		}
	}
}

func TestAdmitsWhomTheListNames(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k, other := keytest.Key(t, 1), keytest.Key(t, 2)
		l := listOf(3, k, keytest.Key(t, 3))
		b.offer(sealed(t, adminKey, l), k, other, keytest.Key(t, 3))
		s := b.open()
		defer s.Close()
		keytest.WantAdmitted(t, s, k)
		keytest.WantUnknown(t, s, other) // the server has its key, and that means nothing
		keytest.WantAdmitted(t, s, k)
		if n := b.count("POST"); n != 1 {
			t.Errorf("keys are fetched %d times, want once\n%s", n, b.log)
		}
		ids, err := s.List(t.Context())
		want := []keys.NodeID{k.ID(), keytest.Key(t, 3).ID()}
		slices.SortFunc(want, keys.NodeID.Compare)
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("List = %v, %v; want %v", ids, err, want)
		}
		if l := s.Followed(); l == nil || l.Version != 3 {
			t.Errorf("Followed = %v, want list 3", l)
		}
		if p := s.Problems(); len(p) != 0 {
			t.Errorf("problems: %v", p)
		}
	})
}

func TestFollowsTheList(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k, other := keytest.Key(t, 1), keytest.Key(t, 2)
		b.offer(sealed(t, adminKey, listOf(1, k)), k, other)
		s := b.open()
		defer s.Close()
		keytest.WantAdmitted(t, s, k)
		changed := s.Changed()
		look()
		if keytest.Closed(changed) {
			t.Error("Changed is closed, and nothing has changed")
		}
		b.offer(sealed(t, adminKey, listOf(2, other)), k, other)
		look()
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by a new list")
		}
		keytest.WantUnknown(t, s, k)
		keytest.WantAdmitted(t, s, other)
	})
}

func TestWindowsOfTheList(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k := keytest.Key(t, 1)
		l := listOf(1, k)
		l.Entries[0].Windows = keys.Windows{{Before: time.Unix(1e9, 0)}}
		b.offer(sealed(t, adminKey, l), k)
		s := b.open()
		defer s.Close()
		if a, err := s.LookupAdmission(t.Context(), k.ID()); err != nil || !a.Windows.Equal(l.Entries[0].Windows) {
			t.Errorf("LookupAdmission = %v, %v", a, err)
		}
	})
}

// TestLooksLessOftenWhileItFails also must not be made to read megabytes all the time.
func TestLooksLessOftenWhileItFails(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.open()
		defer s.Close()
		time.Sleep(time.Hour)
		if n := b.count("GET"); n < 50 || n > 75 {
			t.Errorf("%d looks in an hour, want about one a minute", n)
		}
		b.offer(sealed(t, adminKey, listOf(1)))
		look()
		before := b.count("GET")
		time.Sleep(time.Minute)
		if n := b.count("GET") - before; n < 5 {
			t.Errorf("%d looks in the minute after it is well again, want one every 10 s", n)
		}
	})
}

// TestUnchangedListCostsNothing counts the bytes of lists that go over the wire.
func TestUnchangedListCostsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		signed := sealed(t, adminKey, listOf(1, keytest.Key(t, 1)))
		var mu sync.Mutex
		answers := map[int]int{}
		b.offer(signed)
		inner := b.handle
		b.set(func(w http.ResponseWriter, r *http.Request) {
			rec := &statusWriter{ResponseWriter: w}
			inner(rec, r)
			mu.Lock()
			defer mu.Unlock()
			answers[rec.status]++
		})
		s := b.open()
		for range 10 {
			look()
		}
		s.Close()
		if answers[200] != 1 || answers[304] < 9 {
			t.Errorf("answers by status: %v; want one 200 and else 304", answers)
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func TestBatchIsOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var all []keys.PublicKey
		var ids []keys.NodeID
		for i := range 300 {
			all = append(all, keytest.Key(t, i))
			ids = append(ids, all[i].ID())
		}
		b.offer(sealed(t, adminKey, listOf(1, all[:299]...)), all...)
		s := b.open()
		defer s.Close()
		for i, got := range s.LookupAll(t.Context(), ids[:250]) {
			if got.Err != nil || got.Key != all[i] {
				t.Fatalf("answer %d: %v", i, got)
			}
		}
		if n := b.count("POST"); n != 1 {
			t.Errorf("%d requests for 250 ids, want one", n)
		}
		got := s.LookupAll(t.Context(), ids)
		for i := range 299 {
			if got[i].Err != nil || got[i].Key != all[i] {
				t.Fatalf("answer %d: %v", i, got[i])
			}
		}
		if !errors.Is(got[299].Err, keys.ErrUnknown) {
			t.Errorf("an id that is not listed: %v", got[299])
		}
		if n := b.count("POST"); n != 2 {
			t.Errorf("%d requests for 49 ids more, want one", n-1)
		}
	})
}

// TestOutage: what is known is answered, also after a restart, until the list expires.
func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k, unfetched, other := keytest.Key(t, 1), keytest.Key(t, 2), keytest.Key(t, 3)
		b.offer(sealed(t, adminKey, listOf(1, k, unfetched)), k, unfetched)
		s := b.open()
		keytest.WantAdmitted(t, s, k)
		b.set(nil)
		look()
		keytest.WantAdmitted(t, s, k)
		keytest.WantUnknown(t, s, other)
		keytest.WantUnavailable(t, s, unfetched, "502")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		keytest.WantUnavailable(t, s, k, "closed")

		s = b.open()
		defer s.Close()
		start := time.Now()
		keytest.WantAdmitted(t, s, k)
		keytest.WantUnknown(t, s, other)
		if d := time.Since(start); d != 0 {
			t.Errorf("what was kept is answered after %v", d)
		}
		for range 48 { // most of an hour
			look()
		}
		keytest.WantAdmitted(t, s, k)
		changed := s.Changed()
		for range 3 {
			look()
		}
		keytest.WantUnavailable(t, s, k, "list 1 expired")
		if _, err := s.Lookup(t.Context(), other.ID()); !errors.Is(err, keys.ErrExpired) || !errors.Is(err, remote.ErrFreeze) {
			t.Errorf("an id that is not listed: %v; want ErrExpired", err)
		}
		if _, err := s.List(t.Context()); !errors.Is(err, keys.ErrExpired) {
			t.Errorf("List: %v, want ErrExpired", err)
		}
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by the expiry")
		}
		if n := strings.Count(b.log.String(), "list has expired"); n != 1 {
			t.Errorf("the expiry is logged %d times, want once:\n%s", n, b.log)
		}
		b.offer(sealed(t, adminKey, listOf(2, k)), k)
		look()
		keytest.WantAdmitted(t, s, k)
		if p := s.Problems(); len(p) != 0 {
			t.Errorf("problems after recovery: %v", p)
		}
	})
}

func TestNoListYet(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k := keytest.Key(t, 1)
		s := b.open()
		defer s.Close()
		keytest.WantUnavailable(t, s, k, "no list yet", "502")
		b.offer(sealed(t, adminKey, listOf(1, k)), k)
		look()
		keytest.WantAdmitted(t, s, k)
		if n := strings.Count(b.log.String(), "level=WARN"); n != 1 || !strings.Contains(b.log.String(), "can be had again") {
			t.Errorf("the log:\n%s", b.log)
		}
	})
}

// TestDamagedFileIsNotPassedOver: else a rollback would need only a flipped bit.
func TestDamagedFileIsNotPassedOver(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.offer(sealed(t, adminKey, listOf(5, keytest.Key(t, 1))))
		s := b.open()
		s.List(t.Context())
		look()
		s.Close()
		if l, err := remote.Kept(b.cfg.Dir, b.cfg.Signer); err != nil || l == nil || l.Version != 5 {
			t.Errorf("Kept = %v, %v; want list 5", l, err)
		}
		path := filepath.Join(b.cfg.Dir, adminID(t).String()+".list")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[40] ^= 1
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := remote.Open(b.cfg); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open = %v, %v; want an error that names the file", s, err)
		}
		if l, err := remote.Kept(b.cfg.Dir, b.cfg.Signer); l != nil || err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Kept = %v, %v; want an error that names the file", l, err)
		}
		b.cfg.Signer = keytest.Key(t, thiefKey).ID() // another signer starts anew
		for _, dir := range []string{b.cfg.Dir, filepath.Join(b.cfg.Dir, "none")} {
			if l, err := remote.Kept(dir, b.cfg.Signer); l != nil || err != nil {
				t.Errorf("Kept = %v, %v; want nothing", l, err)
			}
		}
		b.open().Close()
	})
}

// TestRealServer runs the client against package server over loopback, with its own
// transport.
func TestRealServer(t *testing.T) {
	dir, state, k, other := t.TempDir(), t.TempDir(), keytest.Key(t, 1), keytest.Key(t, 2)
	if err := os.WriteFile(filepath.Join(dir, "list"), sealed(t, adminKey, listOf(1, k)), 0o600); err != nil {
		t.Fatal(err)
	}
	h := server.New(keys.NewMemory(k, other), filepath.Join(dir, "list"), nil)
	defer h.Close()
	url := serve(t, h)
	s, err := remote.Open(remote.Config{URL: url + "/", Signer: adminID(t), Dir: state})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keytest.WantAdmitted(t, s, k)
	keytest.WantUnknown(t, s, other)
}

// TestCompressedAnswerIsRefused: a few bytes on the way must not become many here.
func TestCompressedAnswerIsRefused(t *testing.T) {
	var accepts []string
	var mu sync.Mutex
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		accepts = append(accepts, r.Header.Get("Accept-Encoding"))
		mu.Unlock()
		w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
	}))
	s, err := remote.Open(remote.Config{URL: url, Signer: adminID(t), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keytest.WantUnavailable(t, s, keytest.Key(t, 1), "header")
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(accepts, []string{""}) {
		t.Errorf("it accepts encodings %q, want none", accepts)
	}
}
