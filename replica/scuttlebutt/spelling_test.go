package scuttlebutt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/verify"
)

// TestLongerSpelling: a line that outgrows MaxLine once it is spelled as JSON.stringify
// does is not taken: no peer would take it from us, and no file could be loaded with it.
func TestLongerSpelling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	m := newModel(t, "A")
	f, _ := open(t, m, path)
	p := played(t, &m.Node, SyncConfig{})
	go p.send(`[["k",[`+strings.Repeat("1e20,", MaxLine/6)+`1]],5,"S"]`, `"SYNC"`, "")
	go io.Copy(io.Discard, p.conn)
	if err := <-p.done; !errors.Is(err, ErrMalformed) || len(m.Clock()) != 0 {
		t.Errorf("%v; %d sources", err, len(m.Clock()))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, _ = open(t, newModel(t, "B"), path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// accepting returns a node that takes every signature.
func accepting(t *testing.T) *Model {
	t.Helper()
	m, err := NewModel(Config{Security: &judged{"me", func(context.Context, string, string) (verify.Verdict, error) {
		return verify.Accept, nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLongerSignature: nor is one that outgrows it with its signature's padding.
func TestLongerSignature(t *testing.T) {
	m := accepting(t)
	line := func(source string, more int) string {
		head := `[["k","`
		tail := `"],5,"` + source + `","AA"]`
		return head + strings.Repeat("x", MaxLine+more-len(head)-len(tail)) + tail
	}
	p := played(t, &m.Node, SyncConfig{})
	go io.Copy(io.Discard, p.conn)
	p.send(line("S", -2), line("T", -1), line("U", 0), `"SYNC"`)
	p.end()
	if c, s := m.Clock(), m.Stats(); len(c) != 1 || c["S"] != 5 || s.Refused != 2 {
		t.Errorf("clock %v, %+v", c, s)
	}
	for _, u := range m.History(nil) {
		if len(u.Line()) > MaxLine {
			t.Errorf("kept a line of %d bytes", len(u.Line()))
		}
	}
}

// TestSignatureWithNoise: what is in flight counts as it came, whatever its signature
// shrinks to.
func TestSignatureWithNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := accepting(t)
		peer, done := piped(t, &m.Node, SyncConfig{})
		noise := strings.Repeat("*", MaxLine/2)
		for i := range 4 * maxInFlightBytes / MaxLine {
			peer.SetWriteDeadline(time.Now().Add(time.Hour))
			if _, err := fmt.Fprintf(peer, "[[\"k%d\",1],%d,\"S\",\"AAAA%s\"]\n", i, i+1, noise); err != nil {
				t.Errorf("update %d is not read: %v", i, err)
				break
			}
		}
		peer.Close()
		<-done
	})
}

// TestRenewSoonest: a date that never comes does not keep a session from asking again for
// what may be taken soon.
func TestRenewSoonest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t, "A")
		peer, done := piped(t, &m.Node, SyncConfig{Renew: true})
		began := time.Now()
		soon := number(float64(began.Add(DefaultMaxSkew + time.Minute).UnixMilli()))
		io.WriteString(peer, `[["k",1],1e300,"S"]`+"\n"+`[["l",1],`+soon+`,"T"]`+"\n")
		select {
		case err := <-done:
			if took := time.Since(began); !errors.Is(err, ErrRenew) || took != time.Minute {
				t.Errorf("%v after %v", err, took)
			}
		case <-time.After(time.Hour):
			t.Error("the session goes on")
			peer.Close()
			<-done
		}
	})
}

// TestBeforeMalformed: what comes before a malformed line is taken, or a history that has
// one would never get up to it.
func TestBeforeMalformed(t *testing.T) {
	for name, m := range map[string]*Model{"plain": newModel(t, "A"), "signed": accepting(t)} {
		p := played(t, &m.Node, SyncConfig{})
		p.send(signed("k", 1, "S"), signed("l", 2, "S"), signed("m", 1, "T"), "nonsense")
		if err := <-p.done; !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "line 4") {
			t.Errorf("%s: %v", name, err)
		}
		want(t, m, "k=1 l=1 m=1")
	}
}

// TestLongID: an id is measured as it stands in updates.
func TestLongID(t *testing.T) {
	if m, err := NewModel(Config{ID: strings.Repeat("\xff", MaxSource/2)}); err == nil {
		t.Errorf("an id of %d bytes", len(m.ID()))
	}
}

// TestServeConfig: a configuration that makes no sense is no reason to dial again.
func TestServeConfig(t *testing.T) {
	cfg := SyncConfig{SendOnly: true, ReceiveOnly: true}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := newModel(t, "A").Connect(ctx, "127.0.0.1:1", cfg); err == nil || ctx.Err() != nil {
		t.Errorf("Connect = %v", err)
	}
}
