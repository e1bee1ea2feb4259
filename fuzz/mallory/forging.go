package mallory

import (
	"crypto/ed25519"
	"math"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const refusedAndCharged = "refused; nothing moves; the link is closed with the reason and refused for a while"

var forging = []Attack{
	{Name: "forge-key", About: "writes an author's next update and signs it with a key of its own", speak: forges(wrongKey), Right: refusedAndCharged},
	{Name: "forge-unsigned", About: "writes an author's next update with a signature of zeros", speak: forges(unsigned), Right: refusedAndCharged},
	{Name: "forge-high", About: "writes an author's update of the highest seq and date, badly signed", speak: forges(highest), Right: refusedAndCharged},
	{Name: "forge-topic", About: "presents an update that was signed for another topic", speak: forges(otherTopic), Right: refusedAndCharged},
	{Name: "forge-author", About: "puts another author's id on an update that it has signed itself", speak: forges(otherAuthor), Right: refusedAndCharged},
	{Name: "forge-own", About: "writes an update of the very peer that it sends it to", speak: forges(victimsOwn),
		Right: "treated like any other: refused, charged, and never signed for being its own"},
}

// forges has how make a run, once a genuine update is known to make it like.
func forges(how func(p *pipe, topic string, like wire.Entry) (author, []byte, error)) func(*pipe) error {
	return func(p *pipe) error {
		topic, handle, like, err := p.example()
		if err != nil {
			return err
		}
		by, body, err := how(p, topic, like)
		if err != nil {
			return err
		}
		return p.write(by.ofKey(handle), made(wire.FrameRun, handle, body))
	}
}

func wrongKey(p *pipe, topic string, like wire.Entry) (by author, body []byte, err error) {
	end, _, err := p.author(topic)
	if err != nil {
		return by, nil, err
	}
	return p.forged(next(topic, end, like, nowNano()))
}

// forged signs u with a key that is not its author's.
func (p *pipe) forged(u update) (by author, body []byte, err error) {
	if by, err = p.s.r.cast.author("forger"); err != nil {
		return by, nil, err
	}
	body, err = by.signed(p.s.ctx, u)
	return by, body, err
}

func unsigned(p *pipe, topic string, like wire.Entry) (by author, body []byte, err error) {
	end, key, err := p.author(topic)
	if err != nil {
		return by, nil, err
	}
	format, size := keys.FormatEd25519, ed25519.SignatureSize
	if key.Type() == keys.TypeRSA {
		format, size = keys.FormatRSASHA512, key.Bits()/8
	}
	by, err = p.s.r.cast.author("forger")
	return by, next(topic, end, like, nowNano()).body(keys.MarshalSignature(format, make([]byte, size))), err
}

func highest(p *pipe, topic string, like wire.Entry) (by author, body []byte, err error) {
	end, _, err := p.author(topic)
	if err != nil {
		return by, nil, err
	}
	end.Seq = math.MaxInt64 - 1
	return p.forged(next(topic, end, like, math.MaxInt64))
}

func otherTopic(p *pipe, topic string, like wire.Entry) (by author, body []byte, err error) {
	if by, err = p.s.r.cast.admitted("other topic"); err != nil {
		return by, nil, err
	}
	prev := p.s.r.book.end(topic, by.id())
	u := next(topic+"/other", prev, like, nowNano())
	body, err = by.signed(p.s.ctx, u)
	return by, body, err
}

func otherAuthor(p *pipe, topic string, like wire.Entry) (by author, body []byte, err error) {
	end, _, err := p.author(topic)
	if err != nil {
		return by, nil, err
	}
	if by, err = p.s.r.cast.author("forger"); err != nil {
		return by, nil, err
	}
	prev := end
	prev.Author = by.id()
	if body, err = by.signed(p.s.ctx, next(topic, prev, like, nowNano())); err == nil {
		copy(body, end.Author[:])
	}
	return by, body, err
}

func victimsOwn(p *pipe, topic string, like wire.Entry) (by author, body []byte, err error) {
	return p.forged(next(topic, p.s.r.book.end(topic, p.victim()), like, nowNano()))
}

func nowNano() uint64 { return uint64(time.Now().UnixNano()) }
