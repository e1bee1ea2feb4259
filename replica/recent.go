package replica

import (
	"crypto/sha256"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// recent keeps the newest stored runs in memory: to serve live traffic without
// reading it back, and to know a copy of them at a glance.
type recent struct {
	mu       sync.Mutex // guards the fields below
	queue    []*wire.Run
	prints   []([sha256.Size]byte)
	bytes    int
	byAuthor map[keys.NodeID][]*wire.Run // ascending
	known    map[[sha256.Size]byte]struct{}
}

func (c *recent) init() {
	c.byAuthor = make(map[keys.NodeID][]*wire.Run)
	c.known = make(map[[sha256.Size]byte]struct{})
}

func (c *recent) add(runs []*wire.Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, run := range runs {
		print := sha256.Sum256(run.Body())
		c.queue, c.prints = append(c.queue, run), append(c.prints, print)
		c.bytes += run.Size()
		c.byAuthor[run.Author()] = append(c.byAuthor[run.Author()], run)
		c.known[print] = struct{}{}
	}
	n := 0
	for ; len(c.queue)-n > maxRecentRuns || c.bytes > maxRecentBytes; n++ {
		old := c.queue[n]
		c.bytes -= old.Size()
		delete(c.known, c.prints[n])
		// A run leaves in the order it came, so it is its author's oldest.
		if rest := c.byAuthor[old.Author()][1:]; len(rest) > 0 {
			c.byAuthor[old.Author()] = rest
		} else {
			delete(c.byAuthor, old.Author())
		}
		c.queue[n] = nil
	}
	c.queue, c.prints = c.queue[n:], c.prints[n:]
}

// forget drops the runs of authors that have been cut.
func (c *recent) forget(cut map[keys.NodeID]*wire.Proof) {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue, prints := c.queue, c.prints
	c.queue, c.prints = nil, nil
	for id := range cut {
		delete(c.byAuthor, id)
	}
	for i, run := range queue {
		if cut[run.Author()] != nil {
			c.bytes -= run.Size()
			delete(c.known, prints[i])
			continue
		}
		c.queue, c.prints = append(c.queue, run), append(c.prints, prints[i])
	}
}

// has reports whether a run with this fingerprint was stored lately.
func (c *recent) has(print [sha256.Size]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.known[print]
	return ok
}

// after returns the author's runs that follow seq, oldest first, nil when seq is not
// in memory any more. The first one may begin at or below seq.
func (c *recent) after(a keys.NodeID, seq uint64) []*wire.Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	runs := c.byAuthor[a]
	for i, run := range runs {
		if run.First() > seq+1 {
			return nil
		}
		if run.Last() > seq {
			return runs[i:len(runs):len(runs)]
		}
	}
	return nil
}
