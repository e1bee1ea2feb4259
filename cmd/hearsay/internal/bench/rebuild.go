package bench

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// rebuild measures the kv model folding updates of many authors again, because one
// that wrote a single update is cut.
func rebuild(authors, updates int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		x, err := newAuthor("fork")
		if err != nil {
			return measured{}, err
		}
		run, proof, err := x.fork(ctx)
		if err != nil {
			return measured{}, err
		}
		runs, err := manyAuthors(ctx, authors, updates)
		if err != nil {
			return measured{}, err
		}
		n := updatesIn(runs)
		t, err := openTarget(ctx, dir, "rebuild", nil, runs, []*wire.Run{run})
		if err != nil {
			return measured{}, err
		}
		defer t.close()
		runs = nil
		first := float64(n) / t.first.Seconds()
		m, err := rebuilt(ctx, t, n, proof)
		m.base, m.to = first, "folding them the first time"
		m.figures = append(m.figures, Figure{"first time", first, "/s"})
		return m, err
	}
}

// rebuilt gives t a proof and measures the rebuild over n updates that follows.
func rebuilt(ctx context.Context, t *target, n int, proof *wire.Proof) (measured, error) {
	var file bytes.Buffer
	out, err := wire.NewExportWriter(&file, replica.Agent, topic)
	if err != nil {
		return measured{}, err
	}
	if err := errors.Join(out.Write(proof), out.Close()); err != nil {
		return measured{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	notices := t.Notices(ctx)
	m := startMeter()
	inUse := Figure{"heap in use before", float64(m.base), "B"}
	if _, err := t.Import(ctx, &file); err != nil {
		return measured{}, err
	}
	for notice := range notices {
		switch notice.Kind {
		case replica.Forked: // the rebuild begins
			m.began = time.Now()
		case replica.Retracted:
			got := m.rate(n)
			got.figures = []Figure{inUse}
			return got, nil
		}
	}
	return measured{}, context.Cause(ctx)
}
