package replica_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// windowed admits one key for some signed times.
type windowed struct {
	*keys.Memory
	key keys.PublicKey

	mu sync.Mutex // guards ws
	ws keys.Windows
}

func (w *windowed) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	k, err := w.Lookup(ctx, id)
	w.mu.Lock()
	defer w.mu.Unlock()
	return keys.Admission{Key: k, Windows: w.ws}, err
}

// set changes the windows and tells.
func (w *windowed) set(ws ...keys.Window) {
	w.mu.Lock()
	w.ws = ws
	w.mu.Unlock()
	w.Add(w.key)
}

// seconds is an export of runs of two updates each, signed at the seconds 100 and on.
func seconds(t *testing.T, a *wiretest.Author, runs uint64) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := wire.NewExportWriter(&file, "test", topic)
	if err != nil {
		t.Fatal(err)
	}
	prev := a.Start()
	for i := range runs {
		run := a.Run(topic, prev, wiretest.Change((100+2*i)*1e9, "test", "x"), wiretest.Change((101+2*i)*1e9, "test", "y"))
		if err := w.Write(run); err != nil {
			t.Fatal(err)
		}
		prev = run.End()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func (p *peer) take(t *testing.T, file []byte) {
	t.Helper()
	p.Import(t.Context(), bytes.NewReader(file)) // what it refuses it says, too
}

// counts waits until exactly so many updates of id, from the first on, are in the model.
func (p *peer) counts(t *testing.T, id keys.NodeID, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		got := p.journal.of(id)
		if slices.Equal(got, count(n)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v is in the model, want 1 to %d", got, n)
		}
	}
}

// TestWindowsOfWhatIsStored: a replica that had stored updates before they fell outside
// the times of their author ends in the state of one that was never given them.
func TestWindowsOfWhatIsStored(t *testing.T) {
	a := wiretest.NewAuthor("a")
	file := seconds(t, a, 3)
	ks := &windowed{Memory: keys.NewMemory(a.Key()), key: a.Key()}
	disk := store.NewMemory()
	config := func(s store.Store) func(*replica.Config) {
		return func(c *replica.Config) { c.Verify, c.Keystore, c.Store = nil, ks, s }
	}
	p := open(t, "", config(disk))
	p.take(t, file)
	p.counts(t, a.ID(), 6)

	// The second run has an update at 103, so it does not count at all.
	ks.set(keys.Window{Before: time.Unix(102, 0)})
	p.counts(t, a.ID(), 2)
	for seq, want := range map[uint64]replica.State{2: replica.StateApplied, 3: replica.StateUnknown, 6: replica.StateUnknown} {
		x, err := p.Explain(t.Context(), a.ID(), seq)
		if err != nil || x.State != want || want == replica.StateUnknown && !strings.Contains(x.Reason, "admitted for, until 1970-01-01T00:01:42Z") {
			t.Errorf("Explain %d = %v %q, %v; want %v", seq, x.State, x.Reason, err, want)
		}
	}
	late := open(t, "", config(store.NewMemory()))
	late.take(t, file)
	late.counts(t, a.ID(), 2)
	again := open(t, "", config(disk)) // as after a restart
	again.counts(t, a.ID(), 2)

	// What it signs later does not count either, and moves nothing.
	p.take(t, file)
	p.counts(t, a.ID(), 2)

	ks.set(keys.Window{Before: time.Unix(103, 0)})
	p.counts(t, a.ID(), 4)
	ks.set(keys.Window{After: time.Unix(101, 0)}) // the first does not count: nor does what stands on it
	p.counts(t, a.ID(), 0)
	ks.set()
	p.counts(t, a.ID(), 6)
}

// TestVerdictOlderThanTheWindows has runs accepted and stored that the windows, as they
// are by then, do not admit.
func TestVerdictOlderThanTheWindows(t *testing.T) {
	a := wiretest.NewAuthor("a")
	ks := &windowed{Memory: keys.NewMemory(a.Key()), key: a.Key(), ws: keys.Windows{{Before: time.Unix(102, 0)}}}
	disk := store.NewMemory()
	first := open(t, "", func(c *replica.Config) { c.Store = disk })
	first.take(t, seconds(t, a, 1))
	first.counts(t, a.ID(), 2)
	first.Close()
	p := open(t, "", func(c *replica.Config) { c.Store, c.Keystore = disk, ks }) // and a Verify that knows no windows
	p.take(t, seconds(t, a, 3))
	if got := p.Clock()[a.ID()].Seq; got != 6 {
		t.Fatalf("%d updates are stored, want 6", got)
	}
	p.counts(t, a.ID(), 2)
	ks.set()
	p.counts(t, a.ID(), 6)
}
