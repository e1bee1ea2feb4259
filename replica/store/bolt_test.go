package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/store/storetest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const topic = "topic"

// fill writes a store of some authors with chains of different shapes, a cut one, and
// records, and returns its path.
func fill(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	b := openBolt(t, path)
	for i, a := range wiretest.NewAuthors("author", 6) {
		for _, topic := range []string{"one", "two"} {
			runs := a.Chain(topic, a.Start(), 1, 30, 1, 1+i, 20)
			must(t, b.Append(t.Context(), runs[:2]...))
			must(t, b.Append(t.Context(), runs[2:]...))
			must(t, b.PutRecords(t.Context(), topic, "head", store.Record{Author: a.ID(), Body: fmt.Appendf(nil, "head %d", i)}))
		}
	}
	a := wiretest.NewAuthor("author-3")
	must(t, b.Truncate(t.Context(), "one", a.ID(), 20))
	must(t, b.PutRecords(t.Context(), "two", "fork", store.Record{Author: a.ID(), Body: make([]byte, 10_000)}))
	must(t, b.Close())
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dump(t testing.TB, s store.Store) string {
	t.Helper()
	d, err := storetest.Dump(s, "head", "fork")
	must(t, err)
	return d
}

func TestReopen(t *testing.T) {
	path := fill(t)
	b := openBolt(t, path)
	want := dump(t, b)
	must(t, b.Close())
	must(t, b.Close())
	if want == "" {
		t.Fatal("nothing was stored")
	}
	b = openBolt(t, path)
	if got := dump(t, b); got != want {
		t.Errorf("after opening again:\n%s\nwant\n%s", got, want)
	}
	storetest.CheckClean(t, b)
}

// TestRandomAgainstMemory does the same random things to both stores, and opens the
// file again now and then.
func TestRandomAgainstMemory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "store.db")
	mem, b := store.NewMemory(), openBolt(t, path)
	authors := wiretest.NewAuthors("author", 8)
	for step := range 300 {
		a, topic := authors[rnd.IntN(len(authors))], []string{"one", "two"}[rnd.IntN(2)]
		at, err := mem.Frontier(topic, a.ID())
		must(t, err)
		var do func(store.Store) error
		switch what := rnd.IntN(10); {
		case what < 6:
			lens := make([]int, 1+rnd.IntN(6))
			for i := range lens {
				lens[i] = 1 + rnd.IntN(1+rnd.IntN(60))
			}
			runs := a.Chain(topic, at, lens...)
			do = func(s store.Store) error { return s.Append(t.Context(), runs...) }
		case what < 7:
			keep := rnd.Uint64N(at.Seq + 2)
			do = func(s store.Store) error { return s.Truncate(t.Context(), topic, a.ID(), keep) }
		case what < 9:
			records := make([]store.Record, rnd.IntN(4))
			for i := range records {
				a := authors[rnd.IntN(len(authors))]
				records[i] = store.Record{Author: a.ID(), Body: make([]byte, rnd.IntN(3000))}
			}
			do = func(s store.Store) error { return s.PutRecords(t.Context(), topic, "head", records...) }
		default:
			do = func(s store.Store) error { return s.DeleteRecord(t.Context(), topic, "head", a.ID()) }
		}
		errMem, errBolt := do(mem), do(b)
		if fmt.Sprint(errMem) != fmt.Sprint(errBolt) {
			t.Fatalf("step %d: memory says %v, bolt %v", step, errMem, errBolt)
		}
		if step%50 == 49 {
			must(t, b.Close())
			b = openBolt(t, path)
			storetest.CheckClean(t, b)
			if got, want := dump(t, b), dump(t, mem); got != want {
				t.Fatalf("step %d: bolt and memory differ", step)
			}
		}
	}
}

func TestOrigin(t *testing.T) {
	path := fill(t)
	b := openBolt(t, path)
	if b.Moved() {
		t.Error("the file that was just written has moved")
	}
	must(t, b.Close())
	moved := path + ".renamed"
	must(t, os.Rename(path, moved))
	b = openBolt(t, moved)
	if b.Moved() {
		t.Error("renamed, the file is still itself")
	}
	must(t, b.Close())

	copied := path + ".copy"
	content, err := os.ReadFile(moved)
	must(t, err)
	must(t, os.WriteFile(copied, content, 0o600))
	b = openBolt(t, copied)
	if !b.Moved() {
		t.Error("a copy passes for the original")
	}
	must(t, b.Append(t.Context(), wiretest.NewAuthor("z").Chain(topic, wire.Ref{}, 1)...))
	if !b.Moved() {
		t.Error("a write confirms a copy")
	}
	must(t, b.ConfirmOrigin(t.Context()))
	if b.Moved() {
		t.Error("confirmed, the copy is not the original")
	}
	must(t, b.Close())
	if b = openBolt(t, copied); b.Moved() {
		t.Error("the confirmation was forgotten")
	}
}

func TestNewFileIsPrivateAndAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b := openBolt(t, path)
	must(t, b.Close())
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	names, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(names) != 1 {
		t.Errorf("the directory holds %v, want the store alone", names)
	}
}

func TestCannotOpen(t *testing.T) {
	good, err := os.ReadFile(fill(t))
	must(t, err)
	tests := []struct {
		name    string
		content []byte
		want    error
		text    string
	}{
		{"empty", nil, store.ErrDamaged, "cut short: it is empty"},
		{"text", []byte(strings.Repeat("this is not a database\n", 1000)), store.ErrNotStore, "not a hearsay store"},
		{"zeros", make([]byte, 1<<16), store.ErrNotStore, ""},
		{"30 bytes", good[:30], store.ErrDamaged, "cut short"},
		{"100 bytes", good[:100], store.ErrDamaged, "cut short: 100 of "},
		{"one page", good[:4096], store.ErrDamaged, "cut short: 4096 of "},
		{"three pages", good[:3*4096], store.ErrDamaged, "cut short: 12288 of "},
		{"half", good[:len(good)/2], store.ErrDamaged, "cut short"},
		{"not a whole page", good[:len(good)-1], store.ErrDamaged, "cut short"},
		{"one byte more", append(slices.Clone(good), 0), store.ErrDamaged, "cut short"},
		{"first page lost", append(make([]byte, 4096), good[4096:]...), store.ErrDamaged, "page 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			must(t, os.WriteFile(path, tt.content, 0o600))
			b, err := store.OpenBolt(path, store.BoltOptions{})
			if err == nil {
				b.Close()
				t.Fatal("it opens")
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want %q naming the file", err, tt.text)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(tt.content) {
				t.Errorf("the file was changed, or %v", err)
			}
		})
	}
	if _, err := store.OpenBolt(filepath.Join(t.TempDir(), "no", "store.db"), store.BoltOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if _, err := store.OpenBolt(t.TempDir(), store.BoltOptions{}); err == nil {
		t.Error("a directory opens")
	}
}

// TestEveryLength cuts a store at every page and in between. Whatever is missing shows.
func TestEveryLength(t *testing.T) {
	path := fill(t)
	b := openBolt(t, path)
	want := dump(t, b)
	must(t, b.Close())
	info, err := os.Stat(path)
	must(t, err)
	for size := info.Size() - 1; size > 0; size -= 2048 {
		must(t, os.Truncate(path, size))
		b, err := store.OpenBolt(path, store.BoltOptions{})
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%d bytes: %v", size, err)
			}
			continue
		}
		if got := dump(t, b); got != want {
			t.Errorf("%d bytes: opens with other content", size)
		}
		must(t, b.Close())
	}
}

func TestOtherDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Close())
	if _, err := store.OpenBolt(path, store.BoltOptions{}); !errors.Is(err, store.ErrNotStore) {
		t.Errorf("another program's database: %v, want ErrNotStore", err)
	}
}

func TestLocked(t *testing.T) {
	path := fill(t)
	b := openBolt(t, path)
	brief := store.BoltOptions{LockTimeout: time.Millisecond}
	if _, err := store.OpenBolt(path, brief); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v, want ErrLocked", err)
	}
	if out := subprocess(t, "open", path); !strings.Contains(out, store.ErrLocked.Error()) {
		t.Errorf("another process: %q, want %q", out, store.ErrLocked)
	}
	must(t, b.Close())
	if out := subprocess(t, "open", path); out != "open\n" {
		t.Errorf("another process, after Close: %q", out)
	}
}
