package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// What scripts need and no honest program does: forge writes what an author might sign,
// and liar passes it on as it likes. They run as commands of the test binary.

// hostile wraps a command that exits 1 with its error.
func hostile(run func(args []string) error) func() {
	return func() {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// forger signs with a key that its name makes.
type forger struct {
	topic string
	key   *sign.PrivateKey
	id    keys.NodeID
	// runs are two histories, one update a run, from seq 1 on; the second shares what is
	// before the seq at which it was first asked for.
	runs    [2][]*wire.Run
	strange bool // the next update is of a kind that this version does not know
}

func newForger(topic, name string) (*forger, error) {
	seed := sha256.Sum256([]byte(name))
	key, err := sign.NewEd25519(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return nil, err
	}
	return &forger{topic: topic, key: key, id: key.Public().ID()}, nil
}

var forgedDay = time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC)

// run returns an update that sets the author's name to the seq, dated ahead of now.
func (f *forger) run(history int, seq uint64, ahead time.Duration) (*wire.Run, error) {
	for have := uint64(len(f.runs[history])); have < seq; have++ {
		prev := wire.Ref{Author: f.id}
		if have > 0 {
			prev = f.runs[history][have-1].End()
		}
		change, err := kv.SetChange("forged", fmt.Appendf(nil, "%d of %d", have+1, history+1))
		if err != nil {
			return nil, err
		}
		at := forgedDay.Add(time.Duration(have) * time.Second) // so that it is the same in every file
		if have+1 == seq && ahead > 0 {
			at = time.Now().Add(ahead)
		}
		kind := wire.KindChange
		if f.strange && have+1 == seq {
			kind = wire.KindCheckpoint
		}
		d, err := wire.NewDraft(f.topic, prev, wire.Entry{Time: uint64(at.UnixNano()), Kind: kind, Channel: kv.DefaultChannel, Change: change})
		if err != nil {
			return nil, err
		}
		sig, err := f.key.Sign(context.Background(), wire.NamespaceUpdate, d.Message())
		if err != nil {
			return nil, err
		}
		run, err := d.Seal(f.key.Public(), sig)
		if err != nil {
			return nil, err
		}
		f.runs[history] = append(f.runs[history], run)
	}
	return f.runs[history][seq-1], nil
}

// statement makes what an item names: N, the update of that seq; N+10m, dated ahead; N*, of
// a kind that is not known yet; bN, of a second history, which begins at the first that is
// named; headN.
func (f *forger) statement(item string) (wire.Statement, error) {
	text, isHead := strings.CutPrefix(item, "head")
	text, f.strange = strings.CutSuffix(text, "*")
	number, ahead, dated := strings.Cut(text, "+")
	number, second := strings.CutPrefix(number, "b")
	seq, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return nil, err
	}
	if isHead {
		ref := wire.Ref{Author: f.id, Seq: seq, Hash: wire.Hash{1}}
		if seq <= uint64(len(f.runs[0])) {
			ref = f.runs[0][seq-1].End()
		}
		issued := uint64(time.Now().UnixNano())
		sig, err := f.key.Sign(context.Background(), wire.NamespaceHead, wire.HeadMessage(f.topic, ref, issued))
		if err != nil {
			return nil, err
		}
		return wire.SealHead(f.topic, ref, issued, f.key.Public(), sig)
	}
	var by time.Duration
	if dated {
		if by, err = time.ParseDuration(ahead); err != nil {
			return nil, err
		}
	}
	if !second {
		return f.run(0, seq, by)
	}
	if f.runs[1] == nil {
		f.runs[1] = slices.Clone(f.runs[0][:seq-1])
	}
	return f.run(1, seq, by)
}

// forge FILE TOPIC NAME ITEM… writes an export of what an author has signed (see
// statement; with ! behind it, its last byte is another; with - before it, it is signed
// and left out), FILE.pub, and prints its id.
// With -many N for NAME, it is the first updates of N authors.
func forge(args []string) error {
	if len(args) < 4 {
		return errors.New("usage: forge FILE TOPIC NAME ITEM...")
	}
	name, topic := args[0], args[1]
	var file bytes.Buffer
	out, err := wire.NewExportWriter(&file, "forge", topic)
	if err != nil {
		return err
	}
	if args[2] == "-many" {
		err = forgeMany(out, topic, args[3])
	} else {
		err = forgeOne(out, &file, name, topic, args[2], args[3:])
	}
	return errors.Join(err, out.Close(), os.WriteFile(name, file.Bytes(), 0o600))
}

func forgeMany(out *wire.ExportWriter, topic, number string) error {
	n, err := strconv.Atoi(number)
	for i := 0; i < n && err == nil; i++ {
		err = forgeInto(out, topic, fmt.Sprint("one of many ", i), "1")
	}
	return err
}

func forgeInto(out *wire.ExportWriter, topic, name, item string) error {
	f, err := newForger(topic, name)
	if err != nil {
		return err
	}
	s, err := f.statement(item)
	if err != nil {
		return err
	}
	return out.Write(s)
}

func forgeOne(out *wire.ExportWriter, file *bytes.Buffer, name, topic, author string, items []string) error {
	f, err := newForger(topic, author)
	if err != nil {
		return err
	}
	for _, item := range items {
		item, bad := strings.CutSuffix(item, "!")
		item, without := strings.CutPrefix(item, "-")
		s, err := f.statement(item)
		if err != nil {
			return err
		}
		if without {
			continue
		}
		if err := out.Write(s); err != nil {
			return err
		}
		if bad {
			file.Bytes()[file.Len()-1] ^= 1
		}
	}
	fmt.Println(f.id)
	return os.WriteFile(name+".pub", []byte(f.key.Public().AuthorizedKey("")+"\n"), 0o600)
}

// liar FILE passes on what an export holds, verified or not, and nothing else, whatever it
// is told. It prints what a node prints.
func liar(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: liar FILE")
	}
	l, err := readLies(args[0])
	if err != nil {
		return err
	}
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		return err
	}
	ep, err := link.New(link.Config{Signer: key})
	if err != nil {
		return err
	}
	defer ep.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("%v\nhearsay up --peer %v@%v --topic %s\n", ep.ID(), ep.ID(), ln.Addr(), l.topic)
	if err := ep.Serve(ctx, ln, l.hold); ctx.Err() == nil {
		return err
	}
	return nil
}

// lies is what a liar serves.
type lies struct {
	topic  string
	frames []byte
	claims []wire.Ref // by author
}

const liarsHandle = 1

func readLies(name string) (*lies, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	file, err := wire.NewExportReader(in)
	if err != nil {
		return nil, err
	}
	l := &lies{topic: file.Topics()[0]}
	ends := map[keys.NodeID]wire.Ref{}
	keyed := map[keys.NodeID]bool{}
	for {
		s, key, err := file.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !keyed[s.Author()] {
			keyed[s.Author()] = true
			l.add(wire.FrameKey, key.Wire())
		}
		switch s := s.(type) {
		case *wire.UnverifiedRun:
			l.add(wire.FrameRun, s.UnverifiedBody())
			ends[s.Author()] = s.UnverifiedEnd()
		case *wire.UnverifiedHead:
			l.add(wire.FrameHead, s.UnverifiedBody())
		case *wire.UnverifiedProof:
			l.add(wire.FrameFork, s.UnverifiedBody())
		}
	}
	for _, end := range ends {
		l.claims = append(l.claims, end)
	}
	slices.SortFunc(l.claims, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	return l, nil
}

func (l *lies) add(t wire.FrameType, body []byte) {
	l.frames = wire.AppendFrame(l.frames, wire.Frame{Type: t, Handle: liarsHandle, Body: body})
}

// hold tells a peer everything once, and answers whatever it asks with Done.
func (l *lies) hold(_ context.Context, c *link.Conn) error {
	hello := wire.Hello{Version: wire.Version, Agent: "liar", Topics: []wire.TopicHandle{{Handle: liarsHandle, Topic: l.topic}}}
	digest := wire.Digest{Nonce: 1, Unnamed: wire.UnnamedNotWanted, Refs: l.claims}
	out := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)})
	out = wire.AppendFrame(out, wire.Frame{Type: wire.FrameDigest, Handle: liarsHandle, Body: digest.Append(nil)})
	if _, err := c.Write(append(out, l.frames...)); err != nil {
		return err
	}
	for {
		f, err := wire.ReadFrame(c)
		if err != nil {
			return err
		}
		if f.Type != wire.FrameDigest {
			continue
		}
		d, err := wire.ParseDigest(f.Body)
		if err != nil {
			return err
		}
		done := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDone, Handle: liarsHandle, Body: wire.AppendDone(nil, d.Nonce)})
		if _, err := c.Write(done); err != nil {
			return err
		}
	}
}
