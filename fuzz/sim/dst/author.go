package dst

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

const topic = "sim"

// author is a key and what was signed with it.
type author struct {
	name   string
	signer *sign.PrivateKey
	id     keys.NodeID
	rogue  bool

	mu       sync.Mutex           // guards the fields below
	updates  map[wire.Hash]update // all that were ever stored or published
	signed   map[wire.Hash]bool   // of an honest author: the last of each run that it signed
	left     map[uint64]wire.Hash // of an honest author: what left its node
	branches []*branch            // of a rogue
	own      []*wire.Run          // of an honest author: what it has stored
	frontier wire.Ref             // of an honest author: its last durable update
	acked    map[uint64]wire.Hash // what LocalUpdate has returned
}

// update is one that was signed.
type update struct {
	wire.Ref
	prev    wire.Hash
	time    uint64
	channel string
	change  string
}

// entriesOf is what was signed of updates, to be signed again.
func entriesOf(updates []update) (list []wire.Entry) {
	for _, u := range updates {
		list = append(list, wire.Entry{Time: u.time, Kind: wire.KindChange, Channel: u.channel, Change: []byte(u.change)})
	}
	return list
}

// branch is a history that a rogue tells.
type branch struct {
	runs  []*wire.Run // from seq 1 on; branches share what is before they part
	shown bool
}

func (b *branch) end(id keys.NodeID) wire.Ref {
	if len(b.runs) == 0 {
		return wire.Ref{Author: id}
	}
	return b.runs[len(b.runs)-1].End()
}

func newAuthor(name string, rogue bool) *author {
	seed := sha256.Sum256([]byte("dst " + name))
	signer, err := sign.NewEd25519(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return &author{
		name: name, signer: signer, id: signer.Public().ID(), rogue: rogue,
		updates: make(map[wire.Hash]update), signed: make(map[wire.Hash]bool), left: make(map[uint64]wire.Hash), acked: make(map[uint64]wire.Hash),
		frontier: wire.Ref{Author: signer.Public().ID()},
	}
}

// pen signs for an honest node, and notes what.
type pen struct{ *author }

// Public implements sign.Signer.
func (p pen) Public() keys.PublicKey { return p.signer.Public() }

// Sign implements sign.Signer.
func (p pen) Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	if namespace == wire.NamespaceUpdate {
		p.mu.Lock()
		p.signed[sha256.Sum256(msg)] = true
		p.mu.Unlock()
	}
	return p.signer.Sign(ctx, namespace, msg)
}

// wrote reports whether an honest author has signed this very run.
func (a *author) wrote(run *wire.Run) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.signed[run.End().Hash]
}

// sign makes a run of a rogue.
func (a *author) sign(topic string, prev wire.Ref, entries []wire.Entry) *wire.Run {
	prev.Author = a.id
	draft, err := wire.NewDraft(topic, prev, entries...)
	if err != nil {
		panic(err)
	}
	sig, err := a.signer.Sign(context.Background(), wire.NamespaceUpdate, draft.Message())
	if err != nil {
		panic(err)
	}
	run, err := draft.Seal(a.signer.Public(), sig)
	if err != nil {
		panic(err)
	}
	return run
}

// record notes what was signed.
func (a *author) record(run *wire.Run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	prev := run.Prev().Hash
	for i, e := range run.Entries() {
		ref := run.Ref(i)
		a.updates[ref.Hash] = update{ref, prev, e.Time, e.Channel, string(e.Change)}
		prev = ref.Hash
	}
}

// know reports whether all of run was signed, and at these places.
func (a *author) know(run *wire.Run) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range run.Len() {
		ref := run.Ref(i)
		if u, ok := a.updates[ref.Hash]; !ok || u.Ref != ref {
			return fmt.Errorf("update %d of %s, %v, was never made durable by its author", ref.Seq, a.name, ref.Hash)
		}
	}
	return nil
}

// leaves notes that a run of an honest author leaves its node, and reports the seq that
// has left before with another content, 0 if none.
func (a *author) leaves(run *wire.Run) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range run.Len() {
		ref := run.Ref(i)
		if h, ok := a.left[ref.Seq]; ok && h != ref.Hash {
			return ref.Seq
		}
		a.left[ref.Seq] = ref.Hash
	}
	return 0
}

// chain returns the updates up to one, by seq.
func (a *author) chain(end wire.Ref) []update {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]update, end.Seq)
	for h := end.Hash; end.Seq > 0; end.Seq-- {
		u := a.updates[h]
		out[end.Seq-1] = u
		h = u.prev
	}
	return out
}

// verdict says what must count of a rogue's history, once all that it has published is
// known: where it ends, and where it is cut, 0 for nowhere.
func (a *author) verdict() (end wire.Ref, cut uint64) {
	if !a.rogue {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.frontier, 0
	}
	var histories [][]update
	for _, b := range a.branches {
		if b.shown {
			histories = append(histories, a.chain(b.end(a.id)))
		}
	}
	end = wire.Ref{Author: a.id}
	for _, h := range histories {
		for _, g := range histories {
			for i := range min(len(h), len(g)) {
				if h[i].Hash != g[i].Hash && (cut == 0 || uint64(i+1) < cut) {
					cut = uint64(i + 1)
				}
			}
		}
	}
	for _, h := range histories {
		n := len(h)
		if cut > 0 {
			n = min(n, int(cut-1))
		}
		if n > 0 && uint64(n) > end.Seq {
			end = h[n-1].Ref
		}
	}
	return end, cut
}
