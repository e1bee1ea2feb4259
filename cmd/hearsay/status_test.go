package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

// TestStatusFitsTerminal: everything that status can say is on 80 columns.
func TestStatusFitsTerminal(t *testing.T) {
	now := time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	id := func(n byte) keys.NodeID {
		id := keys.NodeID{0x12, 0x20}
		id[33] = n
		return id
	}
	relay, frozen := id(7), id(8)
	s := &node.Status{
		ID: id(1), Running: true, Listen: []string{"127.0.0.1:4427"}, Topics: []string{"prices", "news"},
		Write: "replica: this key writes elsewhere: stop the other node, then restart this one",
		Sync: []node.TopicStatus{
			{Topic: "prices", NotCurrent: id(2).String() + " has written up to seq 12, and 10 is here",
				Rebuild: &replica.RebuildStatus{Since: now.Add(-3 * time.Second), Reasons: 2, Running: true}},
			{Topic: "news", Current: true},
		},
		Peers: []node.Peer{
			{ID: &relay, Address: relay.String() + "@relay.example:4427", State: node.PeerLinked, Sessions: []replica.LinkStatus{{Topic: "prices", State: replica.LinkOK}}},
			{ID: &frozen, Address: "192.0.2.1:4427", State: node.PeerLinked, Sessions: []replica.LinkStatus{
				{Topic: "prices", State: replica.LinkBehind, Reason: "it has " + id(2).String() + " up to seq 1 of 2"}}},
			{Address: "192.0.2.2:4427", State: node.PeerBackoff, Reason: "link: 192.0.2.2:4427: connect: connection refused"},
		},
		Authors: []replica.AuthorStatus{
			{ID: id(1), Topic: "prices", Seq: 3, State: replica.StateOK, Reason: "3 updates stored", Word: &replica.Word{Seq: 3, Issued: now.Add(-12 * time.Second), Fresh: true}},
			{ID: id(2), Topic: "prices", Seq: 10, State: replica.StateBehind, Reason: "the author signed at 2026-11-21T11:59:48Z that it has written up to seq 12; 11 is missing, and no peer has sent it",
				Word: &replica.Word{Seq: 12, Issued: now.Add(-4 * time.Minute), Fresh: true}},
			{ID: id(3), Topic: "prices", Seq: 1, State: replica.StateForked, Reason: "the author has signed two updates with seq 2: nothing of it counts from there on", Cut: 2},
			{ID: id(4), Topic: "news", Seq: 1, State: replica.StateOK, Word: &replica.Word{Seq: 1, Issued: now.Add(-time.Hour)}, Stale: now.Add(-time.Hour)},
		},
		Counts: replica.Counts{Applied: 1234, Rejected: 5, Parked: 1, Waiting: 2, Ignored: 3},
	}
	var b bytes.Buffer
	o := &output{Writer: bufio.NewWriter(&b), terminal: true, width: 80}
	if err := printStatus(o, s, now); err != nil {
		t.Fatal(err)
	}
	o.Flush()
	got := b.String()
	for line := range strings.Lines(got) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"topic      prices  not synced: " + id(2).Short() + " has written up to seq 12,",
		"topic      news  synced\n",
		"a rebuild runs, for 2 authors, since 3 s:",
		"updates    1,234 applied, 5 rejected, 1 parked, 2 waiting, 3 unreadable\n",
		"writing    no: this key writes elsewhere: stop the other node,",
		relay.Short() + "  relay.example:4427  linked  ",
		frozen.Short() + "  192.0.2.1:4427      linked, behind  ",
		"\n    prices: behind: it has " + id(2).Short() + " up to seq 1 of 2\n",
		"\n    192.0.2.2:4427: connect: connection refused\n",
		id(1).Short() + " (this node)  prices  3    ok      12 s ago\n",
		id(2).Short() + "              prices  10   behind  4 min ago\n",
		id(3).Short() + "              prices  1    forked  none\n",
		id(4).Short() + "              news    1    ok      stale since 2026-11-21T11:00:00Z\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
