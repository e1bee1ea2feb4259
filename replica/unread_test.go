package replica_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
)

// TestExplainIgnored: what a model could not read is told apart from what it applied, also
// after it has been mounted again.
func TestExplainIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "p", atModern)
		author := dial(t, p)
		author.key(x)
		author.run(x.Run(topic, x.Start(), wiretest.Change(1, "test", "good"), wiretest.Change(2, "test", "panic"), wiretest.Change(3, "other", "")))
		synctest.Wait()
		explain := func(seq uint64, want replica.State, reason string) {
			t.Helper()
			if got, err := p.Explain(t.Context(), x.ID(), seq); err != nil || got.State != want || !strings.Contains(got.Reason, reason) {
				t.Errorf("update %d is %s, %q (%v); want %s, %q", seq, got.State, got.Reason, err, want, reason)
			}
		}
		check := func() {
			t.Helper()
			explain(1, replica.StateApplied, "applied")
			explain(2, replica.StateIgnored, "panicked")
			explain(3, replica.StateApplied, `nothing is mounted on channel "other"`)
		}
		check()
		unmount, err := p.Mount("other", deaf{})
		if err != nil {
			t.Fatal(err)
		}
		explain(3, replica.StateIgnored, "deaf")
		if _, err := p.LocalUpdate(t.Context(), "other", []byte("2")); err != nil {
			t.Fatal(err)
		}
		n := p.wait(t, "ignored", func(n replica.Notice) bool { return n.Kind == replica.Ignored && n.Channel == "other" })
		if !strings.HasPrefix(n.Reason, "deaf") || len(n.Reason) > 400 {
			t.Errorf("the notice says %d bytes: %.50s", len(n.Reason), n.Reason)
		}
		unmount()
		check()
	})
}

// deaf is a model that reads nothing.
type deaf struct{}

func (deaf) ApplyUpdate(replica.Update) (bool, error) { return false, errDeaf }
func (deaf) Reset()                                   {}

type deafness string

func (d deafness) Error() string { return string(d) }

var errDeaf = deafness("deaf" + strings.Repeat(" to this", 1000))
