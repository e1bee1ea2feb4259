package modeltest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Kit is what the suite must know of a kind of model. New and Change are required.
type Kit struct {
	// New makes an empty model.
	New func() Subject
	// Change draws a change that the model takes. self is who writes it; seen is what that
	// author has seen so far, its own updates included, without those that are an error. The
	// change may refer to any of them, all of which may be missing where it is applied.
	Change func(t *rapid.T, seen []replica.Update, self keys.NodeID) []byte
	// Refused are changes that must be an error to an empty model, besides those that the
	// suite makes up, of which it cannot know.
	Refused [][]byte
}

// Subject is a model and what its readers see.
type Subject struct {
	Model replica.Model
	// State writes down all that readers can see, each state in one way only: what comes
	// in no order, as from a map, must be sorted.
	State func() string
	// Shown, if set, returns the updates of which readers see something. What is shown
	// must then be shown as well when another author is withdrawn. Leave it nil where
	// one author can uncover what hides another's update. The hashes may be missing.
	Shown func() []wire.Ref
	// Watch, if set, begins to watch the empty model, and returns what State would write of
	// a copy that is moved by nothing but what the watcher is told. It is called in a
	// synctest bubble, and copied when nothing moves there; Close must end its goroutines.
	Watch func() (copied func() string)
	// Close, if set, is called when the suite is done with the model.
	Close func()
}

// Now is the clock of the histories, for models whose readers' view depends on one:
// updates are dated within the hour before it, a few far off. It stands still, but in a
// synctest bubble, where the replicas are, it goes on as the bubble's time does.
func Now() time.Time {
	now := time.Date(2026, time.December, 1, 12, 0, 0, 0, time.UTC)
	if since := time.Since(bubbleBegins); since < bubbleLasts {
		return now.Add(since)
	}
	return now
}

// bubbleBegins is when time begins in every synctest bubble.
var bubbleBegins = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// bubbleLasts tells the time in a bubble from that of the machine.
const bubbleLasts = 10 * 365 * 24 * time.Hour

// property is one subtest.
type property struct {
	name  string
	share int // one of so many checks
	check func(k Kit, t *rapid.T)
}

var properties = []property{
	{"Order", 1, Kit.order},
	{"Exclusion", 1, Kit.exclusion},
	{"Rebuild", 1, Kit.rebuild},
	{"Reports", 1, Kit.reports},
	{"Retention", 1, Kit.retention},
	{"Garbage", garbageShare, Kit.garbage},
	{"Hostile", 1, Kit.hostile},
	{"Allocation", 1, Kit.allocation},
	{"Watchers", 2, Kit.watchers},
	{"Readers", replicaShare, Kit.readers},
	{"Replicas", replicaShare, Kit.replicas},
	{"Admissions", 2, Kit.admissions},
	{"Explained", replicaShare, Kit.explained},
}

// Run examines a kind of model; the package documentation lists its subtests.
func Run(t *testing.T, k Kit) {
	t.Helper()
	if k.New == nil || k.Change == nil {
		t.Fatal("modeltest: Kit.New and Kit.Change are required")
	}
	t.Run("Kit", k.sound)
	for _, p := range properties {
		t.Run(p.name, func(t *testing.T) { rapid.Check(t, thin(p.share, func(t *rapid.T) { p.check(k, t) })) })
	}
}

// thin runs every nth check only, until one fails, which rapid runs again.
func thin(n int, check func(*rapid.T)) func(*rapid.T) {
	calls, failed := 0, false
	return func(t *rapid.T) {
		calls++
		if (calls-1)%n != 0 && !failed {
			return
		}
		whole := false
		defer func() { failed = failed || !whole || t.Failed() }()
		check(t)
		whole = true
	}
}

// sound checks the kit itself: a suite that sees nothing proves nothing.
func (k Kit) sound(t *testing.T) {
	moved := false
	rapid.Check(t, func(t *rapid.T) {
		s := k.start(t)
		empty := s.State()
		s.apply(t, drawHistory(t, k).honest...)
		if got := s.State(); s.State() != got {
			t.Fatalf("Subject.State writes one state in two ways%s", differ(s.State(), got))
		}
		moved = moved || s.State() != empty
	})
	if !moved {
		t.Error("no history that Kit.Change drew changed what Subject.State writes: the suite would prove nothing")
	}
	for i, change := range k.Refused {
		t.Run(fmt.Sprintf("Refused %d", i), func(t *testing.T) {
			s := k.start(t)
			before := s.State()
			changed, err := s.applyOne(t, craft(change))
			if err == nil || changed || s.State() != before {
				t.Errorf("%s: changed is %v, the error %v; want an error and nothing else%s",
					clip(change), changed, err, differ(s.State(), before))
			}
		})
	}
}

// differ shows two states that ought to be one.
func differ(got, want string) string {
	if got == want {
		return ""
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	from := max(0, at-maxShown/4)
	show := func(s string) string {
		s = s[min(from, len(s)):]
		if len(s) > maxShown {
			return s[:maxShown] + "…"
		}
		return s
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "\nThey differ from byte %d on.", at)
	if from > 0 {
		fmt.Fprintf(b, " From byte %d on they are:", from)
	}
	fmt.Fprintf(b, "\n--- got\n%s\n--- want\n%s\n---", show(got), show(want))
	return b.String()
}

// clip shows a change.
func clip(b []byte) string {
	const most = 96
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
