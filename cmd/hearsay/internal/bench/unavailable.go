package bench

import (
	"context"
	"errors"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// liveUnavailable has one author more send updates, for whom the keystore has no answer.
func liveUnavailable(c *crowd) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		if err := c.sign(ctx); err != nil {
			return measured{}, err
		}
		x, err := newAuthor("unavailable")
		if err != nil {
			return measured{}, err
		}
		runs, err := x.runs(ctx, 1, c.perAuthor)
		if err != nil {
			return measured{}, err
		}
		frames := appendFrame(nil, wire.FrameKey, x.signer.Public().Wire())
		for _, r := range runs {
			frames = appendFrame(frames, wire.FrameRun, r.Body())
		}
		silent := x.prev.Author
		return c.beside(ctx, dir, attack{
			frames: frames,
			verify: verify.Admitted(&failing{c.keys, silent}),
			took: func(t *target) []Figure {
				return []Figure{{"of that author taken", float64(t.Clock()[silent].Seq), "updates"}}
			},
		})
	}
}

// failing is a keystore that is down for one id.
type failing struct {
	keys.Keystore
	id keys.NodeID
}

func (f *failing) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	if id == f.id {
		return keys.PublicKey{}, errors.New("bench: the keystore is down")
	}
	return f.Keystore.Lookup(ctx, id)
}
