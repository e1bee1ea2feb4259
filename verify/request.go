package verify

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Verdict is the answer to a Request. Zero is invalid.
type Verdict uint8

// The verdicts.
const (
	Accept      Verdict = 1
	Reject      Verdict = 2
	Unavailable Verdict = 3
)

func (v Verdict) String() string {
	switch v {
	case Accept:
		return "accept"
	case Reject:
		return "reject"
	case Unavailable:
		return "unavailable"
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// The reasons of a Result beside those of wire's Open.
var (
	// ErrNotAdmitted is wrapped when the keystore does not know the author; so is
	// keys.ErrUnknown.
	ErrNotAdmitted = errors.New("verify: the author is not admitted")
	// ErrOutsideWindow is wrapped when the keystore admits the author, but not for a time
	// that it signed. The statement is the author's all the same, and may show that it has
	// signed two histories.
	ErrOutsideWindow = errors.New("verify: signed outside the time that the author is admitted for")
	// ErrNoKey is wrapped when the author's key is needed from the peer and did not come.
	ErrNoKey = errors.New("verify: no key came with the statement")
	// ErrUnchecked is wrapped when a Func accepts what it has not checked.
	ErrUnchecked = errors.New("verify: accepted without a successful Check, which counts as reject")
	// ErrKeystore is wrapped when a keystore answers with a key of somebody else.
	ErrKeystore = errors.New("verify: the keystore returned a wrong key")
	// ErrSilent is wrapped when no answer came within Config.Silence.
	ErrSilent = errors.New("verify: no answer in time")
	// ErrPanic is wrapped when a Func panicked, or ended the goroutine it was called in.
	ErrPanic = errors.New("verify: panic")
)

var errGoexit = fmt.Errorf("%w in the callback: it has called runtime.Goexit", ErrPanic)

// Request asks for a verdict on one statement.
type Request struct {
	Statement wire.Unverified
	Offered   keys.PublicKey // as the peer gave it; zero when it gave none
	// Origin names who shares room with whom while the pipeline is full, for instance by
	// address: who has least in flight comes first.
	Origin string

	pipeline atomic.Pointer[Pipeline]
	checking atomic.Int32
	checked  atomic.Pointer[wire.Statement]
	windows  atomic.Pointer[keys.Windows]
}

// NewRequest makes a request for one Submit.
func NewRequest(s wire.Unverified, offered keys.PublicKey) *Request {
	return &Request{Statement: s, Offered: offered}
}

// Check opens the statement with k: k must hash to the author's id and have signed it.
// In a pipeline it first waits for a free worker. The error is wire's, or ErrClosed.
// It may be called from any goroutine.
func (r *Request) Check(k keys.PublicKey) error {
	if p := r.pipeline.Load(); p != nil {
		r.checking.Add(1)
		defer r.checking.Add(-1)
		select {
		case p.workers <- struct{}{}:
			defer func() { <-p.workers }()
		case <-p.ctx.Done():
			return ErrClosed
		}
	}
	s, err := wire.Open(r.Statement, k)
	if err != nil {
		return err
	}
	r.checked.Store(&s)
	return nil
}

// Within notes the times that the author is admitted for, which come back in the Result.
// A Func that knows of any calls it before it accepts.
func (r *Request) Within(ws keys.Windows) { r.windows.Store(&ws) }

// Func answers requests. It calls done once, before or after it returns, from any
// goroutine; later calls are ignored, and so are those after ctx has ended. ctx ends
// when Config.Silence is over or the pipeline closes, and a Func must return then. A
// nil error with Reject or Unavailable is filled in.
type Func func(ctx context.Context, r *Request, done func(Verdict, error))

// Admitted accepts the statements of authors that ks admits. An id that ks does not know is
// rejected. Any other error is Unavailable, and so is a key that does not hash to the
// id: that is the keystore's fault, and heals when the keystore does. A statement that
// begins outside the times of a keys.Windowed keystore is rejected (see Outside).
func Admitted(ks keys.Keystore) Func {
	return func(ctx context.Context, r *Request, done func(Verdict, error)) {
		a, err := keys.LookupAdmission(ctx, ks, r.Statement.Author())
		switch {
		case errors.Is(err, keys.ErrUnknown):
			done(Reject, fmt.Errorf("%w: %v: %w", ErrNotAdmitted, r.Statement.Author(), err))
		case err != nil:
			done(Unavailable, fmt.Errorf("verify: keystore: %w", err))
		default:
			answer(r, a.Key, func(v Verdict, err error) {
				if p := r.pipeline.Load(); errors.Is(err, wire.ErrWrongKey) && (p == nil || !p.cfg.testOnly.wrongKeyRejects) {
					v, err = Unavailable, fmt.Errorf("%w: %w", ErrKeystore, err)
				}
				if v == Accept {
					r.Within(a.Windows)
					if err = Outside(*r.checked.Load(), a.Windows); err != nil {
						v = Reject
					}
				}
				done(v, err)
			})
		}
	}
}

// AnyKey accepts the statements of every author whose key came along and hashes to its id.
func AnyKey() Func {
	return func(_ context.Context, r *Request, done func(Verdict, error)) {
		if r.Offered.IsZero() {
			done(Reject, fmt.Errorf("%w of %v", ErrNoKey, r.Statement.Author()))
			return
		}
		answer(r, r.Offered, done)
	}
}

// answer checks r with k and says what follows.
func answer(r *Request, k keys.PublicKey, done func(Verdict, error)) {
	if err := r.Check(k); err != nil {
		done(Reject, err) // ErrClosed too: nobody listens any more
		return
	}
	done(Accept, nil)
}
