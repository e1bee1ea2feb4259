package session

import (
	"fmt"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// MaxScript bounds the bytes that a script reads; it passes over the others.
const MaxScript = 512

// MaxSent bounds what a script makes, in bytes.
const MaxSent = 1 << 20

// Step is one write of a session: a frame, or what was made of one.
type Step struct {
	What  string // for people
	Bytes []byte
	Wait  time.Duration // before the write
}

// Script makes a session of the bytes of a program: what to send, and who says it. Every
// program makes some session, most of them with a Hello first.
func Script(c *Cast, program []byte) []Step {
	s := &script{cast: c, program: program[:min(len(program), MaxScript)], handle: 1}
	s.hello()
	for len(s.program) > 0 && s.sent < MaxSent {
		s.op()(s)
	}
	return s.steps
}

// script reads a program.
type script struct {
	cast    *Cast
	program []byte
	handle  uint16           // that the Hello gave the topic
	next    [castSize]uint64 // the seq behind the last run of each author
	wait    time.Duration    // before the next step
	steps   []Step
	sent    int
}

// A byte of a program below goodBelow stands for something that honest peers send. Any
// other announces something that breaks a session, or may: with bytes by chance, every
// fiftieth.
const goodBelow = 251

var (
	goodOps = []func(*script){
		(*script).key, (*script).run, (*script).run, (*script).run, (*script).head, (*script).fork,
		(*script).digest, (*script).digest, (*script).done, (*script).again, (*script).crowd, (*script).pause,
	}
	badOps = []func(*script){
		(*script).close, (*script).flipped, (*script).cut, (*script).grown, (*script).elsewhere, (*script).repeated,
		(*script).odd, (*script).odd, (*script).frame, (*script).announced, (*script).raw, (*script).remap, (*script).forged, (*script).badCopy, (*script).number,
	}
)

func (s *script) op() func(*script) {
	b := int(s.byte())
	if b < goodBelow {
		return goodOps[b%len(goodOps)]
	}
	return badOps[int(s.byte())%len(badOps)]
}

// byte is the next of the program, 0 behind its end.
func (s *script) byte() byte {
	if len(s.program) == 0 {
		return 0
	}
	b := s.program[0]
	s.program = s.program[1:]
	return b
}

// below is a number below n, at most 256.
func (s *script) below(n uint64) uint64 { return uint64(s.byte()) % n }

func (s *script) uint16() uint16 { return uint16(s.byte())<<8 | uint16(s.byte()) }

// integer is a number of 64 bits, of which those at the ends are the likeliest.
func (s *script) integer() uint64 {
	switch b := s.byte(); b {
	case 251:
		return 1<<63 - 1
	case 252:
		return 1 << 63
	case 253:
		return 1<<64 - 1
	case 254:
		return uint64(s.uint16()) << 48
	case 255:
		return 1 << 32
	default:
		return uint64(b)
	}
}

// some is up to n bytes of the program.
func (s *script) some(n int) []byte {
	n = min(n, len(s.program))
	b := slices.Clone(s.program[:n])
	s.program = s.program[n:]
	return b
}

func (s *script) actor() *actor { return s.cast.actors[s.below(castSize)] }

// pause lets time pass before the next step, from 50 ms to 13 s.
func (s *script) pause() { s.wait += (1 + time.Duration(s.byte())) * 50 * time.Millisecond }

func (s *script) send(what string, b []byte) {
	s.steps = append(s.steps, Step{what, b, s.wait})
	s.sent += len(b)
	s.wait = 0
}

func (s *script) sendFrame(what string, t wire.FrameType, body []byte) {
	s.send(what, wire.AppendFrame(nil, wire.Frame{Type: t, Handle: s.handle, Body: body}))
}

// last is a copy of what was sent last.
func (s *script) last() []byte {
	if len(s.steps) == 0 {
		return nil
	}
	return slices.Clone(s.steps[len(s.steps)-1].Bytes)
}

// oddHello and what is above it makes a Hello that is odd, or none: one byte in 32.
const oddHello = 248

// hello opens the session.
func (s *script) hello() {
	h := wire.Hello{Version: wire.Version, Agent: "hearsay fuzz", Topics: []wire.TopicHandle{{Handle: s.handle, Topic: s.cast.topic}}}
	switch s.byte() {
	case oddHello:
		return
	case 249:
		h.Version = s.uint16()
	case 250:
		h.Topics = nil
	case 251:
		s.handle = s.uint16()
		h.Topics[0].Handle = s.handle
	case 252:
		h.Meta = make([]byte, s.uint16())
	case 253:
		for i := range 64 {
			h.Topics = append(h.Topics, wire.TopicHandle{Handle: uint16(i + 2), Topic: fmt.Sprintf("other %d", i)})
		}
	case 254:
		h.Agent = string(s.some(32))
	case 255:
		h.Topics = append(h.Topics, h.Topics[0])
	}
	s.send("Hello", wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: h.Append(nil)}))
}

func (s *script) key() {
	s.sendFrame("Key", wire.FrameKey, s.actor().key.Public().Wire())
}

// run sends updates of one of an author's histories, behind its key as a peer would, or
// without; mostly those that come next.
func (s *script) run() {
	who, how := s.below(castSize), s.byte()
	a := s.cast.actors[who]
	if how&1 == 0 {
		s.sendFrame("Key", wire.FrameKey, a.key.Public().Wire())
	}
	first := 1 + s.next[who]%maxSeq
	if how&0x30 == 0x30 {
		first = 1 + s.below(maxSeq)
	}
	r := a.run(int(how>>1&1), first, 1+s.below(min(16, maxSeq-first+1)))
	s.next[who] = r.Last()
	if how&12 == 12 {
		r = r.CutFront(first + s.below(uint64(r.Len())) - 1)
	}
	s.sendFrame(fmt.Sprintf("Run of %d to %d", r.First(), r.Last()), wire.FrameRun, r.Body())
}

func (s *script) head() {
	a, how := s.actor(), s.byte()
	s.sendFrame("Head", wire.FrameHead, a.head(int(how&1), s.below(maxSeq+1), s.below(200)).Body())
}

func (s *script) fork() {
	a := s.actor()
	s.sendFrame("Fork", wire.FrameFork, a.fork(1+s.below(maxSeq-forkAt), 1+s.below(maxSeq-forkAt)).Body())
}

// digest says what is there of the authors: the truth of one history, or not.
func (s *script) digest() {
	d := wire.Digest{Nonce: uint64(s.byte()), Unnamed: wire.Unnamed(1 + s.below(2))}
	how := s.byte()
	d.More = s.byte() >= goodBelow
	for i, a := range s.cast.actors {
		if how>>i&1 == 0 {
			continue
		}
		ref := a.refs[how>>4&1][s.below(maxSeq+1)]
		if how>>5&1 == 1 && ref.Seq > 0 {
			ref.Seq, ref.Hash[0] = max(1, s.integer()), s.byte()
		}
		d.Refs = append(d.Refs, ref)
	}
	if s.byte() < goodBelow {
		slices.SortFunc(d.Refs, func(x, y wire.Ref) int { return x.Author.Compare(y.Author) })
	}
	s.sendFrame("Digest", wire.FrameDigest, d.Append(nil))
}

func (s *script) done() { s.sendFrame("Done", wire.FrameDone, wire.AppendDone(nil, s.integer())) }

func (s *script) close() {
	c := wire.Close{Code: wire.CloseCode(s.byte()), Text: string(s.some(int(s.below(8))))}
	s.send("Close", wire.AppendFrame(nil, wire.Frame{Type: wire.FrameClose, Body: c.Append(nil)}))
}

// again sends something from before, but not the Hello.
func (s *script) again() {
	if n := len(s.steps); n > 1 {
		before := s.steps[1+int(s.byte())%(n-1)]
		s.send(before.What+" again", before.Bytes)
	}
}

// repeated sends the last frame many times.
func (s *script) repeated() {
	last := s.last()
	for n := s.byte(); n > 0 && s.sent < MaxSent; n-- {
		s.send("the same", last)
	}
}
