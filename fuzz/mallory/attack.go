package mallory

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/replica/link"
)

// Attack is one thing that a hostile relay does.
type Attack struct {
	Name  string // as --attack takes it
	About string // what it does
	Right string // what a replica does, and no other thing

	// NeedsKey says that it signs as an author whose key Config.Key is.
	NeedsKey bool

	// begin returns what is done to the frames on their way to one peer. Nil: nothing.
	begin func(p *pipe) step
	// speak says frames besides, once both peers have said Hello.
	speak func(p *pipe) error
	// answer takes the place of the link with a caller.
	answer func(ctx context.Context, r *Relay, raw net.Conn)
	// converse takes the place of passing frames.
	converse func(ctx context.Context, c *link.Conn) error
	// knock attacks the upstream peer, once.
	knock func(ctx context.Context, r *Relay) error
}

// step takes a message, or nil when none came for a while, and returns what goes on
// instead, in order.
type step func(m *message) []*message

// Attacks returns all attacks, in the order of their kinds.
func Attacks() []Attack {
	return slices.Concat(passing, withholding, corrupting, forging, clocks, dates, floods, slows, frames, doors)
}

// Find returns the attacks of a list of names with commas between them, in its order.
func Find(names string) ([]Attack, error) {
	all := Attacks()
	var found []Attack
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(a Attack) bool { return a.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("mallory: no attack is called %q", name)
		}
		if slices.ContainsFunc(found, func(a Attack) bool { return a.Name == name }) {
			return nil, fmt.Errorf("mallory: attack %s is named twice", name)
		}
		found = append(found, all[i])
	}
	return found, nil
}
