package replica_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestExportsMakeTheWhole: whatever authors do while exports follow each other, withdrawn,
// admitted again and forked, who imports the files has what was exported.
func TestExportsMakeTheWhole(t *testing.T) {
	for range 25 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { exportsMakeTheWhole(t, seed) })
	}
}

func exportsMakeTheWhole(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	authors := wiretest.NewAuthors("a", 4)
	ks := &keyring{in: map[keys.NodeID]keys.PublicKey{}, changed: make(chan struct{})}
	for _, a := range authors {
		ks.in[a.ID()] = a.Key()
	}
	p := open(t, "me", func(c *replica.Config) { atModern(c); c.Verify, c.Keystore = nil, ks })
	ends := map[keys.NodeID][]wire.Ref{}
	var files [][]byte
	after := replica.Clock{}
	for range 4 {
		var file sink
		ctx, cancel := context.WithCancel(t.Context())
		var over sync.WaitGroup
		var wrote replica.Clock
		over.Go(func() {
			var err error
			wrote, err = p.Export(ctx, &file, replica.ExportConfig{After: after, Follow: true})
			if err != nil {
				t.Error(err)
			}
		})
		for range rnd.IntN(12) {
			a := authors[rnd.IntN(len(authors))]
			if ends[a.ID()] == nil {
				ends[a.ID()] = []wire.Ref{a.Start()}
			}
			old := ends[a.ID()]
			end := old[len(old)-1]
			switch rnd.IntN(6) {
			case 0, 1, 2:
				runs := a.Chain(topic, end, 1+rnd.IntN(3), 1)
				tell(t, p, a, runs...)
				ends[a.ID()] = append(old, runs[0].End(), runs[1].End())
			case 3:
				p.write(t, "mine")
			case 4:
				if len(old) > 3 {
					tell(t, p, a, branch(a, "b", old[1+rnd.IntN(len(old)-2)], 1, 1)...)
				}
			case 5:
				ks.set(rnd.IntN(2) == 0, a)
			}
			if rnd.IntN(2) == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		cancel()
		over.Wait()
		files = append(files, file.bytes())
		for id, ref := range wrote {
			after[id] = ref
			if c := p.Clock()[id]; c.Seq > 0 && c != ref {
				t.Errorf("seed %d: wrote %v, clock %v", seed, ref.Seq, c.Seq)
			}
		}
	}
	for _, a := range authors {
		ks.set(true, a)
	}
	synctest.Wait()
	var last bytes.Buffer
	if _, err := p.Export(t.Context(), &last, replica.ExportConfig{After: after}); err != nil {
		t.Error(err)
	}
	files = append(files, last.Bytes())
	q := open(t, "", atModern)
	for i, f := range files {
		if _, err := q.Import(t.Context(), bytes.NewReader(f)); err != nil {
			t.Errorf("seed %d: file %d: %v", seed, i, err)
		}
	}
	synctest.Wait()
	if got, want := q.Clock(), p.Clock(); !maps.Equal(got, want) {
		t.Errorf("seed %d: imported %v, want %v", seed, got, want)
	}
	p.Close()
	q.Close()
}
