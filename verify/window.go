package verify

import (
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func inWindows(s wire.Statement, ws keys.Windows) (Verdict, error) {
	if err := Outside(s, ws); err != nil {
		return Reject, err
	}
	return Accept, nil
}

// Outside returns an error that wraps ErrOutsideWindow and says which signed time of s
// lies outside ws: the time of any update of a run, that of any header of a proof, when
// a head was issued. A proof that two admissible runs contradict each other lies inside
// with them; one that needs another time proves nothing about what counts.
func Outside(s wire.Statement, ws keys.Windows) error {
	if len(ws) == 0 {
		return nil
	}
	switch s := s.(type) {
	case *wire.Run:
		for i, e := range s.Entries() {
			if !ws.Admit(e.Time) {
				return outside(fmt.Sprintf("update %d", s.First()+uint64(i)), e.Time, ws)
			}
		}
		return nil
	case *wire.Head:
		if !ws.Admit(s.Issued()) {
			return outside("a head", s.Issued(), ws)
		}
		return nil
	case *wire.Proof:
		return outsideProof(s, ws)
	}
	return fmt.Errorf("%w: %T has no signed time", ErrOutsideWindow, s)
}

func outsideProof(p *wire.Proof, ws keys.Windows) error {
	for _, chain := range p.Chains() {
		for _, encoded := range chain.Headers() {
			h, err := wire.ParseHeader(encoded)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrOutsideWindow, err)
			}
			if !ws.Admit(h.Time) {
				return outside(fmt.Sprintf("a fork's update %d", h.Seq), h.Time, ws)
			}
		}
	}
	return nil
}

func outside(what string, ns uint64, ws keys.Windows) error {
	return fmt.Errorf("%w: %s says %s, admitted %v", ErrOutsideWindow, what, time.Unix(0, int64(ns)).UTC().Format(time.RFC3339), ws)
}
