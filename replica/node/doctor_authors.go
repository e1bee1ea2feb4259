package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// mostNamed is how many authors of a kind are named one by one.
const mostNamed = 5

// self is the own id. parseConfig has read the key.
func (d *doctor) self() keys.NodeID {
	k, _ := d.cfg.publicKey()
	return k.ID()
}

// authors says whose updates are missing, refused or waiting, and why.
func (d *doctor) authors(ctx context.Context, api API, s *Status) {
	var unknown, silent []replica.AuthorStatus
	ok := 0
	for _, a := range s.Authors {
		switch {
		case a.ID == s.ID:
		case a.State == replica.StateUnknown && a.Seq == 0:
			unknown = append(unknown, a)
		case a.State == replica.StateUnknown: // withdrawn, on purpose
		default:
			if !d.author(a) {
				ok++
			}
			if !a.Stale.IsZero() {
				silent = append(silent, a)
			}
		}
	}
	d.strangers(ctx, api, unknown)
	d.silent(silent)
	if ok > 0 {
		d.healthy("%s", plural(ok, "author"))
	}
}

// author reports one that is not as it should be, and whether it did.
func (d *doctor) author(a replica.AuthorStatus) bool {
	what := fmt.Sprintf("author %v, topic %q: %s", a.ID, a.Topic, a.Reason)
	elsewhere := "link to a peer that has it: " + d.command("up") + " --peer ADDR"
	switch a.State {
	case replica.StateWaiting:
		d.add(Problem, "author", what, "its updates wait until it can be told whether it is admitted", "see what is said of "+d.sourceNames())
	case replica.StateGap:
		d.add(Problem, "author", what, "nothing behind the gap can be applied; the peer withholds it, or lost it", elsewhere)
	case replica.StateBehind:
		d.add(Problem, "author", what, "a peer withholds it, or has not got it yet", elsewhere)
	case replica.StateQuota:
		d.add(Problem, "author", what, "keys cost nothing, so --open admits only so many authors", "run the node without --open, and "+d.command("trust")+" those that count")
	case replica.StateNewer:
		d.add(Problem, "author", what, "nothing of it from there on can be read", "install a newer hearsay")
	case replica.StateForked:
		if !d.admits(a.ID) {
			return false
		}
		d.add(Problem, "author", what, "its key was used by two stores, or it lies",
			fmt.Sprintf("%s %v shows it; ask the author for a new key; %s %v takes it out", d.command("fork show"), a.ID, d.command("untrust"), a.ID))
	case replica.StateParked:
		d.add(Notice, "author", what, "its clock is ahead, or the one here is behind", "compare the clocks")
	default:
		return false
	}
	return true
}

// admits reports whether an author is admitted still, as far as the files tell.
func (d *doctor) admits(id keys.NodeID) bool {
	return d.cfg.Open || slices.ContainsFunc(d.sources, func(r sourceReport) bool {
		return r.admits[id] || r.admits == nil && len(r.faults) > 0
	})
}

// strangers names the authors whose updates are refused because nobody admitted them.
func (d *doctor) strangers(ctx context.Context, api API, unknown []replica.AuthorStatus) {
	named, more := shortened(unknown, mostNamed)
	for _, a := range named {
		do := d.command("trust") + " PUBFILE with its key"
		if x, err := api.Explain(ctx, a.ID, 0); err == nil && x.OfferedKey != "" {
			do = fmt.Sprintf("if it is who you think: echo %s | %s -", shellQuote(x.OfferedKey), d.command("trust"))
		}
		d.add(Notice, "author", fmt.Sprintf("author %v has updates in topic %q, and is not trusted", a.ID, a.Topic), "its updates are refused", do)
	}
	if more > 0 {
		d.add(Notice, "author", fmt.Sprintf("%d more authors have updates, and are not trusted", more), "", d.command("status")+" lists them")
	}
}

// silent names the authors that have given no sign of life lately.
func (d *doctor) silent(silent []replica.AuthorStatus) {
	if len(silent) == 0 {
		return
	}
	named, more := shortened(silent, mostNamed)
	var list []string
	for _, a := range named {
		list = append(list, fmt.Sprintf("%v since %s", a.ID, a.Stale.UTC().Format(time.RFC3339)))
	}
	text := strings.Join(list, ", ")
	if more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	d.add(Notice, "author", "authors that are silent: "+text, "they are off, or what they write does not get here", "")
}
