package node

import (
	"strings"
	"testing"
	"time"
)

// TestDoctorReadsLists: a key server's list is missing, good, soon to expire, or expired.
func TestDoctorReadsLists(t *testing.T) {
	now := time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	list := func(left time.Duration) *KeyList {
		return &KeyList{Version: 7, Issued: now.Add(-time.Hour), Expires: now.Add(left)}
	}
	for name, tt := range map[string]struct {
		list          *KeyList
		want, healthy string
	}{
		"none":    {nil, "notice: no list of http://keys was ever taken", ""},
		"good":    {list(48 * time.Hour), "", "list 7 of http://keys (3 keys, good until 2026-11-23T12:00:00Z)"},
		"soon":    {list(time.Hour), "notice: list 7 of http://keys expires soon, at 2026-11-21T13:00:00Z", ""},
		"expired": {list(0), "problem: list 7 of http://keys expired at 2026-11-21T12:00:00Z", ""},
	} {
		d := &doctor{}
		d.source(KeySource{Kind: SourceServer, Where: "http://keys", Keys: 3, List: tt.list}, now)
		if got, healthy := found(d, "trust"), strings.Join(d.result.Healthy, ""); got != tt.want || healthy != tt.healthy {
			t.Errorf("%s: %q, well %q; want %q, %q", name, got, healthy, tt.want, tt.healthy)
		}
	}
}
