package demo

import (
	"bytes"
	"context"
	"io"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// teller writes frames by hand, as a relay that wants to lie must.
type teller struct{ w io.Writer }

const handle = 1

func (t *teller) hello() {
	h := wire.Hello{Version: wire.Version, Agent: "liar", Topics: []wire.TopicHandle{{Handle: handle, Topic: topic}}}
	t.w.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: h.Append(nil)}))
}

func (t *teller) frame(kind wire.FrameType, body []byte) {
	t.w.Write(wire.AppendFrame(nil, wire.Frame{Type: kind, Handle: handle, Body: body}))
}

func (t *teller) run(body []byte) { t.frame(wire.FrameRun, body) }

// swap returns the run's bytes with a text in them replaced by one of the same length.
func swap(u *wire.UnverifiedRun, old, new string) []byte {
	return bytes.Replace(bytes.Clone(u.UnverifiedBody()), []byte(old), []byte(new), 1)
}

// forge signs an update in place of u with the liar's key, and puts Alice's id on it.
func forge(ctx context.Context, p *play, u *wire.UnverifiedRun) ([]byte, error) {
	prev := u.Prev()
	prev.Author = p.liar.ID()
	e := u.UnverifiedEntries()[0]
	e.Change = append(bytes.Clone(e.Change), "000"...)
	d, err := wire.NewDraft(topic, prev, e)
	if err != nil {
		return nil, err
	}
	sig, err := p.liarKey.Sign(ctx, wire.NamespaceUpdate, d.Message())
	if err != nil {
		return nil, err
	}
	r, err := d.Seal(p.liarKey.Public(), sig)
	if err != nil {
		return nil, err
	}
	id := p.alice.Self()
	return append(id[:], r.Body()[len(id):]...), nil
}
