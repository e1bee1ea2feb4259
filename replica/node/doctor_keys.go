package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// expirySoon is how long before a list expires doctor says so.
const expirySoon = 24 * time.Hour

// trust looks at the files that say who is admitted.
func (d *doctor) trust(ctx context.Context) {
	if d.cfg.Open {
		d.healthy("open to every key")
		return
	}
	d.sources = d.dir.reportSources(ctx, d.cfg.Keys)
	total := 0
	for _, r := range d.sources {
		total += r.Keys
		for _, f := range r.faults {
			what, why := f.Where+": "+f.What, "it admits nobody"
			if f.Where == r.Where {
				why = "whom it admits is not known: updates of others wait"
			}
			d.add(Problem, "trust", what, why, "mend or remove it")
		}
		if len(r.faults) == 0 {
			d.source(r.KeySource, time.Now())
		}
	}
	if total == 0 && !d.cfg.Relay && !d.has("trust") {
		d.add(Notice, "trust", "no author is trusted but this node itself", "what others write is refused",
			d.command("trust")+" PUBFILE, or "+d.command("up")+" --open to admit every key that proves itself")
	}
}

// source says that one is well, or that its list is not.
func (d *doctor) source(s KeySource, now time.Time) {
	publish := "the administrator signs a new list: hearsay key publish; if there is one, " + s.Where + " withholds it"
	switch {
	case s.Kind == SourceTrusted && s.Keys > 0:
		d.healthy("%s", plural(s.Keys, "trusted key"))
	case s.Kind == SourceAllowed:
		d.healthy("%s in %s", plural(s.Keys, "key"), s.Where)
	case s.Kind != SourceServer:
	case s.List == nil:
		d.add(Notice, "trust", "no list of "+s.Where+" was ever taken", "whom it admits is not known: updates of others wait", "see whether the URL is right and the server runs")
	case !now.Before(s.List.Expires):
		d.add(Problem, "trust", fmt.Sprintf("list %d of %s expired at %s", s.List.Version, s.Where, s.List.Expires.UTC().Format(time.RFC3339)),
			"nobody is admitted or refused by it any more: new updates wait", publish)
	case s.List.Expires.Sub(now) < expirySoon:
		d.add(Notice, "trust", fmt.Sprintf("list %d of %s expires soon, at %s", s.List.Version, s.Where, s.List.Expires.UTC().Format(time.RFC3339)),
			"then nobody is admitted or refused by it: new updates wait", publish)
	default:
		d.healthy("list %d of %s (%s, good until %s)", s.List.Version, s.Where, plural(s.Keys, "key"), s.List.Expires.UTC().Format(time.RFC3339))
	}
}

// servers says what a running node is told by its key server.
func (d *doctor) servers(s *Status) {
	for _, now := range s.Keys {
		if now.Kind != SourceServer || !s.Running {
			continue
		}
		for _, p := range now.Problems {
			if now.List == nil || now.List.Expires.After(time.Now()) { // else source has said so
				d.add(Problem, "trust", "the key server "+now.Where+": "+p, "until it is well the node goes by the list and the keys that it has, and not past the list's expiry",
					"see whether the server runs, and what it serves")
			}
		}
	}
}

// sourceNames names where admitted keys are looked for.
func (d *doctor) sourceNames() string {
	var names []string
	for _, r := range d.sources {
		names = append(names, r.Where)
	}
	return strings.Join(slices.Compact(names), ", ")
}
