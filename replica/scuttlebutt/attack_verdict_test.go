package scuttlebutt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/verify"
)

// attackKeystoreDown: a source whose verdict is unavailable waits, in order; the others
// flow; when it is available, each update is applied once.
func attackKeystoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var asked, late atomic.Int32
		down.Store(true)
		m, err := NewModel(Config{Security: &judged{"me", func(ctx context.Context, source, message string) (verify.Verdict, error) {
			asked.Add(1)
			if source == "S" && down.Load() {
				if strings.Contains(message, "s2") {
					panic("the keystore's own")
				}
				if strings.Contains(message, "s4") {
					late.Add(1)
				}
				<-ctx.Done() // silence
				return verify.Unavailable, ctx.Err()
			}
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			return verify.Accept, nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		synced := make(chan struct{})
		peer, done := piped(t, &m.Node, SyncConfig{OnSync: func() { close(synced) }})
		for i := range 3 {
			fmt.Fprintln(peer, signed(fmt.Sprintf("s%d", i+1), i+1, "S"))
		}
		fmt.Fprintln(peer, signed("t", 1, "T"))
		fmt.Fprintln(peer, `"SYNC"`)
		time.Sleep(time.Minute)
		fmt.Fprintln(peer, signed("s4", 4, "S"))
		time.Sleep(time.Hour)
		wantKeys(t, &m.Node, "t")
		select {
		case <-synced:
			t.Error("in sync while updates wait")
		default:
		}
		if n := asked.Load(); n < 50 || n > 200 || late.Load() > 0 {
			t.Errorf("asked %d times in an hour, %d of them about what came while the source waited", n, late.Load())
		}
		down.Store(false)
		<-synced
		time.Sleep(time.Minute) // s4 came behind SYNC
		wantKeys(t, &m.Node, "t s1 s2 s3 s4")
		peer.Close()
		<-done
	})
	t.Run("order", attackSlowVerdicts)
	t.Run("room", attackNoRoom)
	t.Run("refused while waiting", attackRefusedWaiting)
}

// attackSlowVerdicts: verdicts that come in any order are applied in that of the source.
func attackSlowVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewModel(Config{Security: &judged{"me", func(context.Context, string, string) (verify.Verdict, error) {
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			if rand.IntN(10) == 0 {
				return verify.Unavailable, errors.New("busy")
			}
			return verify.Accept, nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		peer, done := piped(t, &m.Node, SyncConfig{})
		var want []string
		for i := range 200 {
			key := fmt.Sprintf("k%d", i)
			want = append(want, key)
			fmt.Fprintln(peer, signed(key, i+1, "S"))
		}
		time.Sleep(time.Hour)
		wantKeys(t, &m.Node, strings.Join(want, " "))
		peer.Close()
		<-done
	})
}

// attackNoRoom: when as much waits as may, nothing more is read, and nothing is lost.
func attackNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		m, err := NewModel(Config{Security: &judged{"me", func(context.Context, string, string) (verify.Verdict, error) {
			if up.Load() {
				return verify.Accept, nil
			}
			return verify.Unavailable, errors.New("down")
		}}})
		if err != nil {
			t.Fatal(err)
		}
		peer, done := piped(t, &m.Node, SyncConfig{})
		var sent atomic.Int32
		go func() {
			for i := range 3 * maxInFlight {
				fmt.Fprintln(peer, signed(fmt.Sprintf("k%d", i), i+1, "S"))
				sent.Add(1)
			}
		}()
		time.Sleep(time.Hour)
		if n := sent.Load(); n < maxInFlight || n > 2*maxInFlight+chunk/20 {
			t.Errorf("%d updates were read while none could be verified", n)
		}
		up.Store(true)
		time.Sleep(time.Hour)
		if s := m.Stats(); s.Updates != 3*maxInFlight {
			t.Errorf("%+v", s)
		}
		peer.Close()
		<-done
	})
}

// attackRefusedWaiting: an update that waits for room while one before it is refused is not
// taken: the clock would move past what was refused.
func attackRefusedWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse, accept := make(chan struct{}), make(chan struct{})
		m, err := NewModel(Config{Security: &judged{"me", func(_ context.Context, _, message string) (verify.Verdict, error) {
			if strings.Contains(message, "s1") {
				<-refuse
				return verify.Reject, nil
			}
			<-accept
			return verify.Accept, nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		peer, done := piped(t, &m.Node, SyncConfig{})
		fmt.Fprintln(peer, signed("s1", 1, "S"))
		for i := range maxInFlight - 1 {
			fmt.Fprintln(peer, signed("t", i+1, "T"))
		}
		fmt.Fprintln(peer, signed("s2", 2, "S"))
		synctest.Wait()
		close(refuse)
		synctest.Wait()
		close(accept)
		synctest.Wait()
		if c, s := m.Clock(), m.Stats(); c["S"] != 0 || c["T"] != maxInFlight-1 || s.Refused != 1 || s.Muted != 1 {
			t.Errorf("clock %v, %+v", c, s)
		}
		peer.Close()
		<-done
	})
}

// attackUnknownKey: nothing moves for a source that is not admitted; the first session
// after it is brings everything, and a session that may be renewed ends for that.
func attackUnknownKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var admitted atomic.Bool
		m, err := NewModel(Config{Security: &judged{"me", func(_ context.Context, source, _ string) (verify.Verdict, error) {
			if source == "S" && !admitted.Load() {
				return verify.Reject, keys.ErrUnknown
			}
			return verify.Accept, nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		lines := signed("s1", 1, "S") + "\n" + signed("t", 1, "T") + "\n" + signed("s2", 2, "S") + "\n\"SYNC\"\n"
		peer, done := piped(t, &m.Node, SyncConfig{Renew: true})
		io.WriteString(peer, lines)
		synctest.Wait()
		wantKeys(t, &m.Node, "t")
		if r := m.Refusals(); len(r) != 1 || !errors.Is(r[0].Err, keys.ErrUnknown) || len(m.Clock()) != 1 {
			t.Errorf("refusals %v, clock %v", r, m.Clock())
		}
		admitted.Store(true)
		if err := <-done; !errors.Is(err, ErrRenew) {
			t.Errorf("Sync = %v", err)
		}
		peer, done = piped(t, &m.Node, SyncConfig{})
		io.WriteString(peer, lines)
		synctest.Wait()
		wantKeys(t, &m.Node, "t s1 s2")
		peer.Close()
		<-done
	})
}
