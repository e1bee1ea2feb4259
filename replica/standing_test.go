package replica

import (
	"math"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// What is stored of an author's standing is read as it was written.
func TestStandings(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, s := range []standing{
		{},
		{out: true},
		{windows: keys.Windows{{After: at(100)}}},
		{windows: keys.Windows{{Before: at(-100)}, {After: at(0), Before: at(math.MaxInt32 * 2)}, {}}},
		{windows: make(keys.Windows, maxWindows)},
	} {
		body, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeStanding(body)
		if err != nil || !got.equal(s) {
			t.Errorf("%v became %v, %v", s, got, err)
		}
		for n := range min(len(body), 40) {
			if n%16 == 1 && s.windows != nil {
				continue // whole windows
			}
			if got, err := decodeStanding(body[:n]); err == nil || !got.equal(standing{}) {
				t.Errorf("%d of %d bytes of %v are %v", n, len(body), s, got)
			}
		}
	}
	if _, err := (standing{windows: make(keys.Windows, maxWindows+1)}).encode(); err == nil {
		t.Error("windows without end can be stored")
	}
	for _, body := range []string{"", "\x00", "\x03"} {
		if s, err := decodeStanding([]byte(body)); err == nil || !s.equal(standing{}) {
			t.Errorf("%q is %v, %v", body, s, err)
		}
	}
}
