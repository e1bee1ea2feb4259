package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
)

// standing is how the keystore spoke of an author last. The zero value is that of an
// author that is admitted at any time.
type standing struct {
	out     bool // not admitted
	windows keys.Windows
}

func (s standing) equal(o standing) bool { return s.out == o.out && s.windows.Equal(o.windows) }

// standings are those that are stored and not zero, so that a restart while the keystore is
// down changes nothing.
type standings struct {
	noting chan struct{} // holds a token while somebody writes
	byID   map[keys.NodeID]standing
}

// recordStanding is the kind of record that keeps a standing:
//
//	struct {
//	    uint8 admitted;     // 1 yes, 2 no
//	    Window windows<0..>; // up to the end of the record
//	}
//	struct { int64 after, before; } Window; // s since the Unix epoch, both included; -2^63 is open
const recordStanding = "standing"

const (
	standsIn  = 1
	standsOut = 2
	openEnd   = math.MinInt64
)

func (s standing) encode() ([]byte, error) {
	if len(s.windows) > maxWindows {
		return nil, fmt.Errorf("the keystore gives an author %d windows, at most %d", len(s.windows), maxWindows)
	}
	var b cryptobyte.Builder
	if s.out {
		b.AddUint8(standsOut)
	} else {
		b.AddUint8(standsIn)
	}
	for _, w := range s.windows {
		b.AddUint64(uint64(windowEnd(w.After)))
		b.AddUint64(uint64(windowEnd(w.Before)))
	}
	return b.Bytes()
}

func windowEnd(t time.Time) int64 {
	if t.IsZero() {
		return openEnd
	}
	return t.Unix()
}

func decodeStanding(body []byte) (s standing, err error) {
	in := cryptobyte.String(body)
	var admitted uint8
	if !in.ReadUint8(&admitted) || admitted != standsIn && admitted != standsOut {
		return standing{}, errors.New("neither admitted nor not")
	}
	s.out = admitted == standsOut
	for !in.Empty() {
		var after, before uint64
		if !in.ReadUint64(&after) || !in.ReadUint64(&before) {
			return standing{}, errors.New("a window is cut short")
		}
		s.windows = append(s.windows, keys.Window{After: windowTime(int64(after)), Before: windowTime(int64(before))})
	}
	if again, err := s.encode(); err != nil || !bytes.Equal(again, body) {
		return standing{}, errors.New("windows that are never written so")
	}
	return s, nil
}

func windowTime(s int64) time.Time {
	if s == openEnd {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// loadStandings reads from the store how the keystore spoke last.
func (r *Replica) loadStandings() error {
	for rec, err := range r.store.Records(r.cfg.Topic, recordStanding) {
		if err != nil {
			return err
		}
		s, err := decodeStanding(rec.Body)
		if err != nil {
			return err
		}
		if !s.equal(standing{}) {
			r.standings.byID[rec.Author] = s
		}
	}
	return nil
}

// note stores how the keystore speaks of authors, in one commit, if that is news. What
// the store refuses is tried again when the keystore is asked about the author again.
func (r *Replica) note(ctx context.Context, now map[keys.NodeID]standing) {
	r.standings.noting <- struct{}{}
	defer func() { <-r.standings.noting }()
	var records []store.Record
	var errs []error
	r.mu.Lock()
	for id, s := range now {
		if s.equal(r.standings.byID[id]) {
			continue
		}
		body, err := s.encode()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		records = append(records, store.Record{Author: id, Body: body})
	}
	r.mu.Unlock()
	if len(records) > 0 {
		errs = append(errs, r.store.PutRecords(ctx, r.cfg.Topic, recordStanding, records...))
	}
	err := errors.Join(errs...)
	if err != nil && ctx.Err() == nil {
		r.trouble("note who is admitted", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range records {
		if err != nil {
			r.again.ids[rec.Author] = struct{}{}
		} else if s := now[rec.Author]; s.equal(standing{}) {
			delete(r.standings.byID, rec.Author)
		} else {
			r.standings.byID[rec.Author] = s
		}
	}
}
