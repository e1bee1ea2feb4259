package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/store/storetest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// faults opens the store and checks all of it. The answer is empty, with what the store
// holds, when nothing was found.
func faults(path string, o store.BoltOptions) (found []error, content string) {
	b, err := store.OpenBolt(path, o)
	if err != nil {
		return []error{err}, ""
	}
	defer b.Close()
	if err := b.Check(context.Background(), func(f store.Fault) { found = append(found, &f) }); err != nil {
		return append(found, err), ""
	}
	content, err = storetest.Dump(b, "head", "fork")
	if err != nil {
		found = append(found, err)
	}
	return found, content
}

// usedBytes returns how much of a store file lies below its high-water mark.
func usedBytes(t *testing.T, path string) int64 {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	size := int64(0)
	must(t, db.View(func(tx *bolt.Tx) error {
		size = tx.Size()
		return nil
	}))
	return size
}

// TestFlippedBits flips one bit at a time, anywhere in use. Either it is found or the
// content is the same; and never a crash.
func TestFlippedBits(t *testing.T) {
	path := fill(t)
	_, want := faults(path, store.BoltOptions{})
	if want == "" {
		t.Fatal("the store is not good to begin with")
	}
	flips := 300
	if os.Getenv("HEARSAY_LONG") != "" {
		flips = 5_000
	}
	used := usedBytes(t, path)
	rnd := rand.New(rand.NewPCG(1, 2))
	found := 0
	for i := range flips {
		off, bit := rnd.Int64N(used), byte(1)<<rnd.IntN(8)
		if i%4 == 0 { // the heads of pages, which are few, as often
			off = off/4096*4096 + rnd.Int64N(96)
		}
		flip(t, path, off, bit)
		errs, content := faults(path, store.BoltOptions{})
		for _, err := range errs {
			if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNewer) && !errors.Is(err, store.ErrNotStore) {
				t.Errorf("byte %d, bit %#x: %v is not said to be damage", off, bit, err)
			}
		}
		if len(errs) == 0 && content != want {
			t.Errorf("byte %d, bit %#x: not found, and the content is different", off, bit)
		}
		if len(errs) > 0 {
			found++
			faults(path, store.BoltOptions{ReadDamaged: true}) // must not crash either
		}
		flip(t, path, off, bit)
	}
	t.Logf("%d of %d found", found, flips)
	if found < flips/4 {
		t.Errorf("only %d of %d flips were found", found, flips)
	}
	if errs, content := faults(path, store.BoltOptions{}); len(errs) > 0 || content != want {
		t.Errorf("flipped back: %v", errs)
	}
}

func flip(t *testing.T, path string, off int64, bit byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, off)
	must(t, err)
	b[0] ^= bit
	_, err = f.WriteAt(b, off)
	must(t, err)
}

// edit changes a store behind its back, with a valid structure.
func edit(t *testing.T, path string, f func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(f))
	must(t, db.Close())
}

// reseal gives a value the checksum that belongs to its place.
func reseal(bucket, key string, body []byte) []byte {
	sum := crc32.Checksum([]byte(bucket+key+string(body)), crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32(nil, sum), body...)
}

func keyOf(topic string, a *wiretest.Author, seq ...uint64) string {
	id := a.ID()
	key := append(append([]byte{byte(len(topic))}, topic...), id[:]...)
	for _, s := range seq {
		key = binary.BigEndian.AppendUint64(key, s)
	}
	return string(key)
}

// TestNamedFaults damages a store of two authors in ways that no checksum of a page
// would show, and wants the place named, at the opening (open) or by Check.
func TestNamedFaults(t *testing.T) {
	a, b := wiretest.NewAuthor("a"), wiretest.NewAuthor("b")
	runsA, runsB := a.Chain(topic, a.Start(), 2, 2, 2), b.Chain(topic, b.Start(), 2, 2)
	other := a.Chain(topic, wire.Ref{Seq: 2, Hash: wire.Hash{1}}, 2)[0]
	move := func(bucket, from, to string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			bk := tx.Bucket([]byte(bucket))
			return bk.Put([]byte(to), append([]byte{}, bk.Get([]byte(from))...))
		}
	}
	put := func(bucket, key string, body []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), reseal(bucket, key, body)) }
	}
	remove := func(bucket, key string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete([]byte(key)) }
	}
	raw := func(bucket, key string, value []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), value) }
	}
	badSig := append([]byte{}, runsA[1].Body()...)
	badSig[len(badSig)-1] ^= 1
	tests := []struct {
		name string
		edit func(*bolt.Tx) error
		open bool
		want store.Fault
	}{
		{"a run in another's place", move("runs", keyOf(topic, a, 1), keyOf(topic, a, 3)), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "checksum does not match"}},
		{"a run is missing", remove("runs", keyOf(topic, a, 3)), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "missing"}},
		{"the last run is missing", remove("runs", keyOf(topic, a, 5)), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 5, Where: "runs", What: "end at seq 4"}},
		{"all runs are missing", func(tx *bolt.Tx) error {
			return errors.Join(remove("runs", keyOf(topic, b, 1))(tx), remove("runs", keyOf(topic, b, 3))(tx))
		}, false, store.Fault{Topic: topic, Author: b.ID(), Seq: 1, Where: "runs", What: "end at seq 0"}},
		{"a bad signature with a good checksum", put("runs", keyOf(topic, a, 3), badSig), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "signature"}},
		{"another chain with a good signature", put("runs", keyOf(topic, a, 3), other.Body()), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "it continues hash"}},
		{"another author's run", put("runs", keyOf(topic, a, 3), runsB[1].Body()), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "run of author"}},
		{"not a run", put("runs", keyOf(topic, a, 3), []byte("x")), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "malformed"}},
		{"an empty value", raw("runs", keyOf(topic, a, 3), nil), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 3, Where: "runs", What: "form"}},
		{"a frontier with another hash", put("frontiers", keyOf(topic, a), frontier(6, 1, 6)), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 6, Where: "runs", What: "its hash is"}},
		{"a frontier that is too low", put("frontiers", keyOf(topic, a), frontier(5, 0, 5)), false,
			store.Fault{Topic: topic, Author: a.ID(), Seq: 5, Where: "runs", What: "ends at seq 6"}},
		{"a frontier without a checksum", raw("frontiers", keyOf(topic, a), []byte("xxxx")), true,
			store.Fault{Topic: topic, Author: a.ID(), Where: "frontiers", What: "checksum does not match"}},
		{"a frontier of another form", put("frontiers", keyOf(topic, a), []byte("x")), true,
			store.Fault{Topic: topic, Author: a.ID(), Where: "frontiers", What: "form"}},
		{"no frontier", remove("frontiers", keyOf(topic, b)), false,
			store.Fault{Topic: topic, Author: b.ID(), Where: "runs", What: "no frontier"}},
		{"no key", remove("keys", keyOf(topic, b)), false,
			store.Fault{Topic: topic, Author: b.ID(), Where: "keys", What: "missing"}},
		{"another's key", put("keys", keyOf(topic, b), a.Key().Wire()), false,
			store.Fault{Topic: topic, Author: b.ID(), Where: "keys", What: "another author's key"}},
		{"a key without a checksum", raw("keys", keyOf(topic, b), []byte("xxxx")), true,
			store.Fault{Topic: topic, Author: b.ID(), Where: "keys", What: "checksum"}},
		{"a record in another's place", move("records", recordKey(a), recordKey(b)), true,
			store.Fault{Topic: topic, Author: b.ID(), Where: "records", What: `"head": checksum`}},
		{"no format", remove("hearsay", "format"), true,
			store.Fault{Where: "hearsay", What: "format"}},
		{"no origin", remove("hearsay", "origin"), true,
			store.Fault{Where: "hearsay", What: "origin"}},
		{"no bucket", func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("records")) }, true,
			store.Fault{Where: "records", What: "bucket is missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := openBolt(t, path)
			must(t, s.Append(t.Context(), append(runsA, runsB...)...))
			must(t, s.PutRecords(t.Context(), topic, "head", store.Record{Author: a.ID(), Body: []byte("x")}))
			must(t, s.Close())
			edit(t, path, tt.edit)
			s, err := store.OpenBolt(path, store.BoltOptions{})
			if err == nil {
				must(t, s.Close())
			}
			if tt.open {
				wantFault(t, err, tt.want)
			} else if err != nil {
				t.Errorf("does not open: %v", err)
			}
			if tt.want.Where == "hearsay" || tt.want.What == "bucket is missing" {
				return
			}
			errs, _ := faults(path, store.BoltOptions{ReadDamaged: true})
			wantFault(t, errors.Join(errs...), tt.want)
		})
	}
}

func frontier(seq uint64, hash byte, end uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, seq)
	b = append(b, hash)
	b = append(b, make([]byte, wire.HashSize-1)...)
	return binary.BigEndian.AppendUint64(b, end)
}

func recordKey(a *wiretest.Author) string {
	id := a.ID()
	return "\x05topic\x04head" + string(id[:])
}

// wantFault wants a *Fault among err like want, whose What contains want's.
func wantFault(t *testing.T, err error, want store.Fault) {
	t.Helper()
	text := (&want).Error()
	if err == nil || !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), text[:len(text)-len(want.What)]) || !strings.Contains(err.Error(), want.What) {
		t.Errorf("got  %v\nwant %v", err, &want)
	}
}

// TestReadersNameFaults reads damage without Check.
func TestReadersNameFaults(t *testing.T) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain(topic, a.Start(), 2, 2, 2)
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path)
	must(t, s.Append(t.Context(), runs...))
	must(t, s.Close())
	for _, damage := range []func(b *bolt.Bucket, key []byte) error{
		func(b *bolt.Bucket, key []byte) error { return b.Delete(key) },
		func(b *bolt.Bucket, key []byte) error { return b.Put(key, append([]byte("x"), b.Get(key)...)) },
	} {
		edit(t, path, func(tx *bolt.Tx) error { return damage(tx.Bucket([]byte("runs")), []byte(keyOf(topic, a, 3))) })
		s := openBolt(t, path)
		var err error
		n := 0
		for _, err = range s.Runs(topic, a.Start()) {
			n++
		}
		fault, ok := errors.AsType[*store.Fault](err)
		if !ok || fault.Author != a.ID() || fault.Topic != topic || fault.Seq != 3 || !strings.Contains(err.Error(), "fsck") {
			t.Errorf("Runs: %v after %d items, want a fault at seq 3 and advice", err, n)
		}
		// What lies above a damaged run can be dropped with it, and comes again.
		must(t, s.Truncate(t.Context(), topic, a.ID(), 2))
		must(t, s.Append(t.Context(), runs[1:]...))
		storetest.CheckClean(t, s)
		must(t, s.Close())
	}
}

func TestNewerFormat(t *testing.T) {
	path := fill(t)
	edit(t, path, func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("hearsay")).Put([]byte("format"), reseal("hearsay", "format", []byte{0, 0, 0, 2}))
	})
	_, err := store.OpenBolt(path, store.BoltOptions{})
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "written by a newer hearsay (format 2, this one knows 1)") {
		t.Errorf("format 2: %v", err)
	}
}

// TestFlippedMeta flips every bit of both meta pages. A meta page that is bad shows,
// although the other one is good, because one of them stands for the last transaction.
func TestFlippedMeta(t *testing.T) {
	path := fill(t)
	for off := range int64(80) {
		for _, page := range []int64{0, 4096} {
			flip(t, path, page+off, 1<<(off%8))
			b, err := store.OpenBolt(path, store.BoltOptions{})
			// The count and overflow of a meta page mean nothing.
			if unused := 10 <= off && off < 16; (err == nil) != unused {
				t.Errorf("page %d, byte %d: %v", page/4096, off, err)
			}
			if err == nil {
				must(t, b.Close())
			}
			flip(t, path, page+off, 1<<(off%8))
		}
	}
}

// TestCutWhileOpen cuts the file off under an open store, which turns reads into faults
// of the processor. They are errors; and the lock is given back.
func TestCutWhileOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file cannot be cut")
	}
	path := fill(t)
	content, err := os.ReadFile(path)
	must(t, err)
	b := openBolt(t, path)
	a := wiretest.NewAuthor("author-0")
	frontier, err := b.Frontier("one", a.ID())
	must(t, err)
	must(t, os.Truncate(path, 2*4096))
	for _, err = range b.Runs("one", a.Start()) {
		break
	}
	if !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Runs: %v", err)
	}
	next := a.Run("one", frontier, wiretest.Change(1, "", "x"))
	for range 2 {
		if err := b.Append(t.Context(), next); !errors.Is(err, store.ErrWrite) || !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Append: %v", err)
		}
	}
	if err := b.Check(t.Context(), func(store.Fault) {}); err != nil {
		t.Errorf("Check: %v", err)
	}
	must(t, b.Close())
	must(t, os.WriteFile(path, content, 0o600))
	b = openBolt(t, path)
	must(t, b.Append(t.Context(), next))
}

// TestReadDamaged rescues what can be read, and takes no writes.
func TestReadDamaged(t *testing.T) {
	path := fill(t)
	_, want := faults(path, store.BoltOptions{})
	newest := int64(0)
	for page := range int64(2) { // the meta page with the higher transaction
		content, err := os.ReadFile(path)
		must(t, err)
		if binary.NativeEndian.Uint64(content[64:]) < binary.NativeEndian.Uint64(content[4096+64:]) {
			newest = page
		}
	}
	flip(t, path, newest*4096+70, 1)
	if _, err := store.OpenBolt(path, store.BoltOptions{}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("a damaged meta page: %v", err)
	}
	b, err := store.OpenBolt(path, store.BoltOptions{ReadDamaged: true})
	must(t, err)
	defer b.Close()
	got := dump(t, b)
	if got == want || strings.Count(got, "run ") < strings.Count(want, "run ") {
		t.Errorf("want all but the last transaction, got %d of %d lines", strings.Count(got, "\n"), strings.Count(want, "\n"))
	}
	a := wiretest.NewAuthor("z")
	err = b.Append(t.Context(), a.Chain(topic, a.Start(), 1)...)
	if !errors.Is(err, store.ErrWrite) || !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Append: %v, want ErrWrite and ErrDamaged", err)
	}
}
