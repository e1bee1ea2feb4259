package node

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// found returns the findings about something, as text.
func found(d *doctor, about string) string {
	var all []string
	for _, f := range d.result.Findings {
		if f.About == about {
			all = append(all, string(f.Severity)+": "+f.What)
		}
	}
	return strings.Join(all, "\n")
}

func TestDoctorComparesClocks(t *testing.T) {
	now := replica.ReleaseDate().Add(24 * time.Hour)
	author := func(n byte, ahead time.Duration) replica.AuthorStatus {
		return replica.AuthorStatus{ID: keys.NodeID{n}, State: replica.StateOK, Word: &replica.Word{Issued: now.Add(ahead), Fresh: true}}
	}
	parked := replica.AuthorStatus{ID: keys.NodeID{9}, State: replica.StateParked}
	tests := map[string]struct {
		now     time.Time
		authors []replica.AuthorStatus
		want    string
	}{
		"alone":          {now, nil, ""},
		"in step":        {now, []replica.AuthorStatus{author(1, time.Second), author(2, -time.Minute)}, ""},
		"one is ahead":   {now, []replica.AuthorStatus{author(1, time.Minute), author(2, 0), author(3, 0)}, "notice: 1 of 3 authors are ahead of this machine's clock, by up to 1m0s"},
		"one parks":      {now, []replica.AuthorStatus{parked, author(2, 0)}, "notice: 1 of 1 authors are ahead of this machine's clock"},
		"most are ahead": {now, []replica.AuthorStatus{author(1, time.Minute), author(2, 90*time.Second), author(3, 0)}, "problem: 2 authors are ahead of this machine's clock, by up to 1m30s"},
		"before its date": {replica.ReleaseDate().Add(-time.Hour), []replica.AuthorStatus{author(1, 0)},
			"problem: this machine's clock says 2026-10-31 23:00:00, before this program was made"},
	}
	for name, tt := range tests {
		d := &doctor{}
		d.clock(&Status{ID: keys.NodeID{100}, Authors: tt.authors}, tt.now)
		if got := found(d, "clock"); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestDoctorSaysWhatToDo: every reason not to write has words of its own, and a command.
func TestDoctorSaysWhatToDo(t *testing.T) {
	tests := map[string]struct {
		s        Status
		severity Severity
		do       string
	}{
		"unconfirmed":      {Status{WriteCode: "unconfirmed"}, Problem, "hearsay up --data x --peer ADDR"},
		"writes-elsewhere": {Status{WriteCode: "writes-elsewhere", Write: replica.ErrWritesElsewhere.Error()}, Problem, "stop the other node"},
		"forked":           {Status{WriteCode: "forked", Write: replica.ErrForked.Error()}, Problem, "hearsay fork show --data x"},
		"asking":           {Status{WriteCode: "other", Write: "replica: asking the peers what this key wrote last", Running: true}, Notice, ""},
		"disk":             {Status{WriteCode: "other", Write: "no space left on device", Running: true}, Problem, ""},
	}
	for name, tt := range tests {
		d := &doctor{opts: Options{Dir: "x"}}
		d.writing(&tt.s)
		if len(d.result.Findings) != 1 {
			t.Errorf("%s: %d findings", name, len(d.result.Findings))
			continue
		}
		f := d.result.Findings[0]
		if f.About != "writing" || f.Severity != tt.severity || !strings.Contains(f.Do, tt.do) || f.Why == "" || strings.Contains(f.What, "replica:") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	d := &doctor{}
	d.writing(&Status{})
	if len(d.result.Findings) != 0 || len(d.result.Healthy) != 1 {
		t.Errorf("a node that writes: %+v", d.result)
	}
}

func TestDoctorNamesLinks(t *testing.T) {
	d := &doctor{}
	d.links(&Status{Peers: []Peer{
		{Address: "good:1", Sessions: []replica.LinkStatus{{State: replica.LinkOK}}},
		{Address: "frozen:1", Sessions: []replica.LinkStatus{{Topic: "t", State: replica.LinkBehind, Reason: "it has A up to seq 1 of 2"}}},
		{Address: "quiet:1", Sessions: []replica.LinkStatus{{Topic: "t", State: replica.LinkStale, Reason: "long ago"}}},
		{Address: "mute:1", Sessions: []replica.LinkStatus{{Topic: "t", State: replica.LinkSilent, Reason: "says nothing"}}},
	}})
	want := "problem: peer frozen:1 is behind in topic \"t\": it has A up to seq 1 of 2\nnotice: peer quiet:1 is stale in topic \"t\": long ago\nnotice: peer mute:1 is silent in topic \"t\": says nothing"
	if got := found(d, "link"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(d.result.Healthy) != 0 {
		t.Errorf("yet it is healthy: %q", d.result.Healthy)
	}
}

// scripted is a peer that says what it says, whatever it hears.
type scripted struct {
	io.Reader
	heard bytes.Buffer
}

func (s *scripted) Write(b []byte) (int, error) { return s.heard.Write(b) }

func says(frames ...wire.Frame) *scripted {
	var b []byte
	for _, f := range frames {
		b = wire.AppendFrame(b, f)
	}
	return &scripted{Reader: bytes.NewReader(b)}
}

// TestDoctorHearsPeers: what a peer answers, in words, and what it claims of our own key.
func TestDoctorHearsPeers(t *testing.T) {
	self := keys.NodeID{0x12, 0x20, 1}
	hello := func(topics ...string) wire.Frame {
		h := wire.Hello{Version: wire.Version, Agent: "test"}
		for i, topic := range topics {
			h.Topics = append(h.Topics, wire.TopicHandle{Handle: uint16(i + 7), Topic: topic})
		}
		return wire.Frame{Type: wire.FrameHello, Body: h.Append(nil)}
	}
	digest := func(handle uint16, more bool, refs ...wire.Ref) wire.Frame {
		d := wire.Digest{Nonce: 1, More: more, Unnamed: wire.UnnamedWanted, Refs: refs}
		return wire.Frame{Type: wire.FrameDigest, Handle: handle, Body: d.Append(nil)}
	}
	closes := func(code wire.CloseCode, text string) wire.Frame {
		c := wire.Close{Code: code, Text: text}
		return wire.Frame{Type: wire.FrameClose, Body: c.Append(nil)}
	}
	own, other := wire.Ref{Author: self, Seq: 9, Hash: wire.Hash{1}}, wire.Ref{Author: keys.NodeID{0x12, 0x20, 0}, Seq: 4, Hash: wire.Hash{2}}
	tests := map[string]struct {
		peer   *scripted
		wrong  string // how it begins; "" if nothing is wrong
		claims []claim
	}{
		"well":            {says(hello("a"), digest(7, false, other)), "", nil},
		"knows us":        {says(hello("a", "b"), digest(7, true, other), digest(7, false, own), digest(8, false)), "", []claim{{"a", own}}},
		"says no more":    {says(hello("a")), "", nil},
		"other topics":    {says(hello()), `it carries none of the topics here, ["a" "b"]`, nil},
		"no common topic": {says(closes(wire.CloseTopic, "")), `it carries none of the topics here`, nil},
		"banned":          {says(closes(wire.CloseRefused, "banned until noon")), "it refuses this node: banned until noon", nil},
		"busy":            {says(closes(wire.CloseBusy, "full")), "it is busy: full", nil},
		"other version":   {says(hello("a"), closes(wire.CloseVersion, "2")), "it speaks another version", nil},
		"silent":          {says(), "it links, and does not talk", nil},
		"noise":           {says(wire.Frame{Type: wire.FrameHello, Body: []byte("x")}), "it links, and does not talk", nil},
	}
	for name, tt := range tests {
		got := converse(tt.peer, []string{"a", "b"}, self)
		if !strings.HasPrefix(got.wrong.what, tt.wrong) || (got.wrong.what == "") != (tt.wrong == "") || len(got.claims) != len(tt.claims) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i, c := range got.claims {
			if c != tt.claims[i] {
				t.Errorf("%s: claim %+v, want %+v", name, c, tt.claims[i])
			}
		}
		f, err := wire.ReadFrame(&tt.peer.heard)
		if err != nil || f.Type != wire.FrameHello {
			t.Errorf("%s: the peer heard %v first, %v", name, f.Type, err)
		}
	}
}

// TestDoctorNamesWhoHoldsTheLock: a directory that is locked by a process which does not
// answer.
func TestDoctorNamesWhoHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	n, err := Open(t.Context(), Options{Dir: path, Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	lock, err := d.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	found, err := Doctor(t.Context(), Options{Dir: path})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("a node runs there already (process %d)", os.Getpid())
	if len(found.Findings) == 0 || found.Findings[0].About != "store" || !strings.Contains(found.Findings[0].What, want) {
		t.Errorf("want %q first, got %+v", want, found.Findings)
	}
}
