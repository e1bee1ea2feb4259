package node

import (
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
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
	}})
	want := "problem: peer frozen:1 is behind in topic \"t\": it has A up to seq 1 of 2\nnotice: peer quiet:1 is stale in topic \"t\": long ago"
	if got := found(d, "link"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(d.result.Healthy) != 0 {
		t.Errorf("yet it is healthy: %q", d.result.Healthy)
	}
}
