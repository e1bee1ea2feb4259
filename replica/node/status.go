package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// Status is a node at a glance; its JSON is a contract.
type Status struct {
	ID      keys.NodeID            `json:"id"`
	Listen  []string               `json:"listen"`
	Topics  []string               `json:"topics"`
	Peers   []Peer                 `json:"peers"`
	Authors []replica.AuthorStatus `json:"authors"`
	Counts  replica.Counts         `json:"counts"`
	Sync    []TopicStatus          `json:"sync"` // in the order of Topics
	// Keys are the places where admitted keys come from, none if the node is open to every key.
	Keys []KeySource `json:"keys"`
	// SendOnly and ReceiveOnly are as in Options.
	SendOnly    bool `json:"send_only,omitempty"`
	ReceiveOnly bool `json:"receive_only,omitempty"`
	// Running is false when the store was opened by the command itself.
	Running bool `json:"running"`
	// Write is why nothing can be written now, empty if it can, and WriteCode the same for
	// machines: unconfirmed, writes-elsewhere, forked, relay, or other.
	Write     string `json:"write,omitempty"`
	WriteCode string `json:"write_code,omitempty"`
}

// TopicStatus is how far a topic is in step with its authors.
type TopicStatus struct {
	Topic string `json:"topic"`
	// Current says that everything which living authors have signed is here, as two links
	// or the authors themselves tell; else NotCurrent says why that is not known.
	Current    bool   `json:"current"`
	NotCurrent string `json:"not_current,omitempty"`
	// Rebuild is set while the models still show what does not count any more.
	Rebuild *replica.RebuildStatus `json:"rebuild,omitempty"`
}

// Status implements API.
func (n *Node) Status(ctx context.Context) (*Status, error) {
	if n.ctx.Err() != nil {
		return nil, fmt.Errorf("node: %w", ErrClosed)
	}
	s := &Status{
		ID: n.ID(), Listen: []string{}, Topics: []string{}, Peers: []Peer{}, Sync: []TopicStatus{},
		Authors: []replica.AuthorStatus{}, Keys: n.keySources(ctx), Running: !n.opts.Offline,
		SendOnly: n.opts.SendOnly, ReceiveOnly: n.opts.ReceiveOnly,
	}
	replicas := n.replicas()
	for i, r := range replicas {
		rs := r.Status()
		s.add(r.Topic(), rs)
		if i == 0 && n.relay == nil {
			s.setWrite(rs.Write)
		}
	}
	if n.links != nil {
		s.Listen, s.Peers = n.ListenAddrs(), n.links.status(linkStates(replicas))
	}
	if n.relay != nil {
		s.Write, s.WriteCode = "a relay writes nothing of its own", "relay"
		if why := n.carriesNothing(); why != "" {
			s.Write = "this relay " + why
		}
	}
	return s, nil
}

func (s *Status) add(topic string, rs replica.Status) {
	s.Topics = append(s.Topics, topic)
	t := TopicStatus{Topic: topic, Current: rs.Current, NotCurrent: rs.NotCurrent, Rebuild: rs.Rebuild}
	if !s.Running {
		t.Current, t.NotCurrent = false, "the node is not running"
	}
	s.Sync = append(s.Sync, t)
	s.Authors = append(s.Authors, rs.Authors...)
	s.Counts.Applied += rs.Counts.Applied
	s.Counts.Rejected += rs.Counts.Rejected
	s.Counts.Parked += rs.Counts.Parked
	s.Counts.Waiting += rs.Counts.Waiting
	s.Counts.Ignored += rs.Counts.Ignored
}

func (s *Status) setWrite(err error) {
	if err == nil {
		return
	}
	s.Write, s.WriteCode = err.Error(), "other"
	for code, sentinel := range map[string]error{
		"unconfirmed":      replica.ErrUnconfirmed,
		"writes-elsewhere": replica.ErrWritesElsewhere,
		"forked":           replica.ErrForked,
	} {
		if errors.Is(err, sentinel) {
			s.WriteCode = code
		}
	}
}

// linkStates returns the sessions of all replicas by the name of their peer.
func linkStates(replicas []*replica.Replica) map[string][]replica.LinkStatus {
	byPeer := make(map[string][]replica.LinkStatus)
	for _, r := range replicas {
		for _, l := range r.Links() {
			byPeer[l.Peer] = append(byPeer[l.Peer], l)
		}
	}
	return byPeer
}
