package replica_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

// asking is a model that asks its replica for the time and the version.
type asking struct {
	journal
	r        *replica.Replica
	versions []uint64
}

func (m *asking) ApplyUpdate(u replica.Update) (bool, error) {
	if m.r.Now().IsZero() {
		return false, fmt.Errorf("no time")
	}
	m.versions = append(m.versions, m.r.Version())
	return m.journal.ApplyUpdate(u)
}

// TestVersion: a parked update moves the version when its time has come, and an older
// update does not move it back.
func TestVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		s := store.NewMemory()
		p := open(t, "", func(c *replica.Config) { atModern(c); c.Store = s })
		if got := p.Version(); got != 0 {
			t.Errorf("version %d before the first update", got)
		}
		now := modern()
		if got := p.Now(); !got.Equal(now) {
			t.Errorf("Now is %v, want Config.Now's %v", got, now)
		}
		later := now.Add(replica.DefaultMaxSkew + time.Second)
		runs := dated(x, now, later, now.Add(-time.Hour))
		link := dial(t, p)
		link.key(x)
		link.run(runs...)
		synctest.Wait()
		if got, want := p.Version(), uint64(now.UnixNano()); got != want {
			t.Errorf("version %d while a later update is parked, want %d", got, want)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got, want := p.Version(), uint64(later.UnixNano()); got != want {
			t.Errorf("version %d when the parked update had its turn, want %d", got, want)
		}
		p.Close()

		again := open(t, "", func(c *replica.Config) { atModern(c); c.Store = s })
		if got, want := again.Version(), uint64(later.UnixNano()); got != want {
			t.Errorf("version %d after reopening, want %d", got, want)
		}
	})
}

// TestVersionInModel: a model asks while it is given updates.
func TestVersionInModel(t *testing.T) {
	p := open(t, "p", nil)
	m := &asking{r: p.Replica}
	if _, err := p.Mount("asking", m); err != nil {
		t.Fatal(err)
	}
	ref, err := p.LocalUpdate(t.Context(), "asking", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	e, _ := p.Explain(t.Context(), ref.Author, ref.Seq)
	if len(m.versions) != 1 || m.versions[0] != uint64(e.Time.UnixNano()) {
		t.Errorf("the model was told versions %d, want the update's own %d", m.versions, e.Time.UnixNano())
	}
}
