package node

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func testID(i int) (id keys.NodeID) {
	binary.BigEndian.PutUint64(id[2:], uint64(i))
	return id
}

// A ban doubles with each fault up to an hour, and is forgotten after an hour of peace.
func TestBansGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bans
		why := wire.Close{Code: wire.CloseRefused, Text: "bad signature"}
		fault := func(want time.Duration) {
			t.Helper()
			if !b.add(testID(1), "peer", why, time.Now()) {
				t.Fatal("not banned")
			}
			x := b.of(testID(1))
			if x == nil || time.Until(x.until) != want || !strings.HasSuffix(x.text(), ": bad signature") {
				t.Fatalf("banned as %+v, want for %v", x, want)
			}
			if b.of(testID(2)) != nil {
				t.Fatal("another id is banned")
			}
			if b.add(testID(1), "its second link", why, time.Now()) || time.Until(b.of(testID(1)).until) != want {
				t.Fatal("a second link of the same id made the ban longer")
			}
			time.Sleep(want)
			if x := b.of(testID(1)); x != nil {
				t.Fatalf("still banned after %v: %+v", want, x)
			}
		}
		for want := time.Minute; want < time.Hour; want *= 2 {
			fault(want)
		}
		fault(time.Hour)
		fault(time.Hour)
		time.Sleep(time.Hour + time.Second)
		fault(time.Minute)
	})
}

// The table of bans is bounded; what is dropped is what would have ended first.
func TestBansAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bans
		why := wire.Close{Code: wire.CloseProtocol}
		for range 3 {
			b.add(testID(1<<20), "the worst", why, time.Now())
			time.Sleep(time.Until(b.of(testID(1 << 20)).until))
		}
		b.add(testID(1<<20), "the worst", why, time.Now())
		for i := range 3 * maxBans {
			b.add(testID(i), "peer", why, time.Now())
			time.Sleep(time.Millisecond)
		}
		if n := len(b.byID); n != maxBans || b.of(testID(1<<20)) == nil || b.of(testID(3*maxBans-1)) == nil {
			t.Errorf("%d bans; the longest and the newest must be among them", n)
		}
		time.Sleep(3 * time.Hour)
		b.add(testID(1<<21), "peer", why, time.Now())
		if n := len(b.byID); n != 1 {
			t.Errorf("%d bans remembered after 3 hours, want 1", n)
		}
	})
}
