package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// ask is the nonce of the digest that the peer is to answer at the end of a session.
const ask = 0x6865617273617900 // "hearsay" and a zero

// Outcome is how a session of a script ended.
type Outcome uint8

// The outcomes.
const (
	Served Outcome = 1 // the peer has answered the digest at its end
	Closed Outcome = 2 // the peer has closed the session
	Silent Outcome = 3 // neither within the time: what was sent may hide the digest
)

func (o Outcome) String() string {
	names := [...]string{"", "served", "closed", "silent"}
	if o == 0 || int(o) >= len(names) {
		return fmt.Sprintf("Outcome(%d)", uint8(o))
	}
	return names[o]
}

// Drive sends the steps of a script over conn while it reads what comes, and then asks
// for an answer, at most for the given time. It closes conn. The text of the peer's Close
// is returned, if there was one.
func Drive(ctx context.Context, conn io.ReadWriteCloser, steps []Step, patience time.Duration) (Outcome, string) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer conn.Close()
	answered, ended, why := make(chan struct{}), make(chan struct{}), ""
	tasks.Go(func() {
		defer close(ended)
		why = listen(conn, answered)
	})
	sent := make(chan struct{})
	tasks.Go(func() {
		defer close(sent)
		for _, step := range steps {
			if step.Wait > 0 && !sleep(step.Wait, ended) {
				return
			}
			if _, err := conn.Write(step.Bytes); err != nil {
				return
			}
		}
		d := wire.Digest{Nonce: ask, Unnamed: wire.UnnamedNotWanted}
		conn.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDigest, Handle: handleOf(steps), Body: d.Append(nil)}))
	})
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-answered:
			return Served, ""
		case <-ended:
			return Closed, why
		case <-late.C:
			return Silent, ""
		case <-sent:
			sent = nil
			late.Reset(patience) // it counts from when all was taken
		}
	}
}

// sleep waits, and reports whether the session has not ended meanwhile.
func sleep(d time.Duration, ended <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
		return false
	}
}

// handleOf is the handle that the session's Hello gives its topic, 1 if there is none.
func handleOf(steps []Step) uint16 {
	if len(steps) > 0 && len(steps[0].Bytes) > frameHeader {
		if h, err := wire.ParseHello(steps[0].Bytes[frameHeader:]); err == nil && len(h.Topics) > 0 {
			return h.Topics[0].Handle
		}
	}
	return 1
}

// listen reads frames up to a Close, whose text it returns, or the end. It closes answered
// at the Done that is waited for.
func listen(r io.Reader, answered chan<- struct{}) string {
	in := bufio.NewReader(r)
	for {
		f, err := wire.ReadFrame(in)
		if err != nil {
			return ""
		}
		switch f.Type {
		case wire.FrameDone:
			if nonce, err := wire.ParseDone(f.Body); err == nil && nonce == ask && answered != nil {
				close(answered)
				answered = nil
			}
		case wire.FrameClose:
			if c, err := wire.ParseClose(f.Body); err == nil {
				return fmt.Sprintf("%v: %s", c.Code, c.Text)
			}
		}
	}
}

// ErrNoAnswer is wrapped by Honest's error when the session was not served.
var ErrNoAnswer = errors.New("no answer to an honest session")

// Honest holds a short session as a peer with nothing would, and wants it answered within
// the time. It closes conn.
func Honest(ctx context.Context, conn io.ReadWriteCloser, topic string, patience time.Duration) error {
	if err := honest(ctx, conn, topic, patience); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

func honest(ctx context.Context, conn io.ReadWriteCloser, topic string, patience time.Duration) error {
	h := wire.Hello{Version: wire.Version, Agent: "hearsay fuzz, honest", Topics: []wire.TopicHandle{{Handle: 1, Topic: topic}}}
	hello := Step{What: "Hello", Bytes: wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: h.Append(nil)})}
	switch how, why := Drive(ctx, conn, []Step{hello}, patience); {
	case how == Served:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case how == Closed && why != "":
		return fmt.Errorf("%w: closed: %s", ErrNoAnswer, why)
	case how == Closed:
		return fmt.Errorf("%w: the connection ended", ErrNoAnswer)
	}
	return fmt.Errorf("%w within %v", ErrNoAnswer, patience)
}
