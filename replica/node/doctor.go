package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/replica"
)

// Severity is how bad a Finding is. The texts are stable.
type Severity string

// The severities, worst first.
const (
	Problem Severity = "problem" // something does not work, or somebody lies
	Notice  Severity = "notice"  // worth knowing; it may be as it should
)

// Finding is one thing that Doctor found, in words for people.
type Finding struct {
	Severity Severity `json:"severity"`
	About    string   `json:"about"` // directory, key, store, disk, clock, writing, trust, peer, author, link or sync
	What     string   `json:"what"`
	Why      string   `json:"why,omitempty"` // it matters
	Do       string   `json:"do,omitempty"`
}

// Diagnosis is what Doctor found.
type Diagnosis struct {
	Dir     string `json:"dir"`
	Running bool   `json:"running"`
	// Findings has the most important first.
	Findings []Finding `json:"findings"`
	// Healthy names what is as it should be.
	Healthy []string `json:"healthy"`
}

// Problems returns how many findings are problems.
func (d *Diagnosis) Problems() (n int) {
	for _, f := range d.Findings {
		if f.Severity == Problem {
			n++
		}
	}
	return n
}

// importance is the order of what findings are about: what keeps the rest from working
// comes first.
var importance = []string{"directory", "key", "store", "disk", "clock", "writing", "trust", "peer", "author", "link", "sync"}

// doctor is one examination.
type doctor struct {
	opts    Options
	dir     *dataDir
	cfg     config
	sources []sourceReport // of admitted keys; none if the node is open to every key
	result  Diagnosis
}

// Doctor looks for what is wrong with the data directory o.Dir, whether or not its node
// runs, and asks the peers that it knows, and those in o.Peers; it heeds nothing else of o.
// It changes nothing, but that a store which was moved or copied forgets that it may write,
// as with every other command. The error says that it could not look.
func Doctor(ctx context.Context, o Options) (*Diagnosis, error) {
	path, err := resolveDir(o.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := parsePeers(o.Peers); err != nil {
		return nil, err
	}
	d := &doctor{opts: o, result: Diagnosis{Dir: path, Findings: []Finding{}, Healthy: []string{}}}
	d.examine(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("node: %w", context.Cause(ctx))
	}
	slices.SortStableFunc(d.result.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), // problem, notice
			cmp.Compare(slices.Index(importance, a.About), slices.Index(importance, b.About)))
	})
	return &d.result, nil
}

func (d *doctor) add(s Severity, about, what, why, do string) {
	d.result.Findings = append(d.result.Findings, Finding{s, about, what, why, do})
}

func (d *doctor) healthy(format string, args ...any) {
	d.result.Healthy = append(d.result.Healthy, fmt.Sprintf(format, args...))
}

// has reports whether something was found about this.
func (d *doctor) has(about string) bool {
	return slices.ContainsFunc(d.result.Findings, func(f Finding) bool { return f.About == about })
}

// command is a hearsay command on this data directory, to be pasted.
func (d *doctor) command(verb string) string {
	if d.opts.Dir == "" {
		return "hearsay " + verb
	}
	return "hearsay " + verb + " --data " + shellQuote(d.opts.Dir)
}

func (d *doctor) examine(ctx context.Context) {
	if !d.directory() {
		return
	}
	defer d.dir.close()
	if !d.config() {
		return
	}
	d.key(ctx)
	d.trust(ctx)
	d.disk()
	api, err := connect(ctx, Options{Dir: d.dir.path})
	if err == nil && api == nil {
		if !d.store(ctx) {
			return
		}
		api, err = Attach(ctx, Options{Dir: d.dir.path})
	}
	if err != nil {
		d.add(Problem, "store", "the node cannot be asked: "+err.Error(), "", "")
		return
	}
	defer api.Close()
	s, err := api.Status(ctx)
	if err != nil {
		d.add(Problem, "store", "the node cannot be asked: "+err.Error(), "", "")
		return
	}
	d.result.Running = s.Running
	d.servers(s)
	d.clock(s, time.Now())
	d.writing(s)
	d.peers(ctx, s, ownSeqs(s))
	d.authors(ctx, api, s)
	d.links(s)
	d.sync(s)
}

// ownSeqs returns how far the own author has written, by topic.
func ownSeqs(s *Status) map[string]uint64 {
	own := make(map[string]uint64)
	for _, a := range s.Authors {
		if a.ID == s.ID {
			own[a.Topic] = a.Seq
		}
	}
	return own
}

// clockTolerance is how far ahead of this clock a head may be issued before it says that
// the two clocks differ.
const clockTolerance = 5 * time.Second

// clock compares this machine's clock with the program's date and with what living
// authors have signed.
func (d *doctor) clock(s *Status, now time.Time) {
	if release := replica.ReleaseDate(); now.Before(release) {
		d.add(Problem, "clock", fmt.Sprintf("this machine's clock says %s, before this program was made", now.UTC().Format(time.DateTime)),
			"what it wrote would lose against everything, so it does not write", "set the clock")
		return
	}
	alive, ahead := 0, 0
	var most time.Duration
	for _, a := range s.Authors {
		if a.ID == s.ID {
			continue
		}
		by := time.Duration(0)
		if a.Word != nil && a.Word.Fresh {
			alive++
			by = a.Word.Issued.Sub(now)
		}
		if by > clockTolerance || a.State == replica.StateParked {
			ahead++
			most = max(most, by)
		}
	}
	switch {
	case ahead > 1 && 2*ahead > alive:
		d.add(Problem, "clock", fmt.Sprintf("%d authors are ahead of this machine's clock%s", ahead, byAsMuchAs(most)),
			"it is this clock that is behind: what it writes loses against theirs, and theirs waits here", "set the clock")
	case ahead > 0:
		d.add(Notice, "clock", fmt.Sprintf("%d of %d authors are ahead of this machine's clock%s", ahead, max(alive, ahead), byAsMuchAs(most)),
			"their updates may wait here until their time", "compare the clocks")
	default:
		d.healthy("clock")
	}
}

func byAsMuchAs(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return fmt.Sprintf(", by up to %v", d.Round(time.Second))
}

// writing says why the node does not write.
func (d *doctor) writing(s *Status) {
	restart := d.command("up")
	switch s.WriteCode {
	case "":
		d.healthy("writing")
	case "relay":
		if s.Write != "a relay writes nothing of its own" {
			d.add(Problem, "trust", s.Write, "", d.command("trust")+" PUBFILE, or "+d.command("relay")+" --open")
		}
	case "unconfirmed":
		d.add(Problem, "writing", "this store may be older than what its key has written: it was copied, moved or restored, or the key is from elsewhere",
			"to go on from there would sign a second history, which nothing repairs",
			fmt.Sprintf("%s --peer ADDR of a peer that has its updates; only if the key has certainly written nowhere else: %s --force", restart, restart))
	case "writes-elsewhere":
		d.add(Problem, "writing", "another node writes with this key: "+withoutPrefix(s.Write),
			"two nodes with one key would sign two histories, which nothing repairs",
			"stop the other node, then stop and start this one; or make this one a key of its own: hearsay up --data NEWDIR")
	case "forked":
		d.add(Problem, "writing", withoutPrefix(s.Write),
			"everybody stops counting what it wrote from there on",
			fmt.Sprintf("%s %v shows what is lost; start anew with hearsay up --data NEWDIR, have the new key trusted, and write it again", d.command("fork show"), s.ID))
	default:
		severity := Problem
		if s.Running && s.Write == "replica: asking the peers what this key wrote last" {
			severity = Notice
		}
		d.add(severity, "writing", withoutPrefix(s.Write), "nothing can be written until then", "")
	}
}

// withoutPrefix drops the package that an error names first.
func withoutPrefix(text string) string {
	for _, p := range []string{"node: ", "replica: ", "keys: ", "keys/dir: ", "keys/allowed: ", "keys/remote: ", "keys/roster: ", "keygen: ", "sign: ", "link: "} {
		if len(text) > len(p) && text[:len(p)] == p {
			return withoutPrefix(text[len(p):])
		}
	}
	return text
}

// links names the links whose peers withhold, or stand still.
func (d *doctor) links(s *Status) {
	ok := 0
	for _, p := range s.Peers {
		for _, l := range p.Sessions {
			switch l.State {
			case replica.LinkBehind:
				d.add(Problem, "link", fmt.Sprintf("peer %s is behind in topic %q: %s", p.Address, l.Topic, l.Reason),
					"it withholds what authors have signed, or stands still",
					"link to another peer as well: "+d.command("up")+" --peer ADDR")
			case replica.LinkStale:
				d.add(Notice, "link", fmt.Sprintf("peer %s is stale in topic %q: %s", p.Address, l.Topic, l.Reason),
					"nothing tells a silent author from a peer that withholds, or from a clock here that is ahead",
					"link to another peer as well, or ask the authors: "+d.command("up")+" --peer ADDR")
			case replica.LinkSilent:
				d.add(Notice, "link", fmt.Sprintf("peer %s is silent in topic %q: %s", p.Address, l.Topic, l.Reason),
					"it withholds what it has, and what authors have signed",
					"link to another peer as well: "+d.command("up")+" --peer ADDR")
			default:
				ok++
			}
		}
	}
	if ok > 0 && !d.has("link") {
		d.healthy("%s", plural(ok, "link"))
	}
}

// sync says why a topic is not known to be in step.
func (d *doctor) sync(s *Status) {
	if !s.Running {
		d.add(Notice, "sync", "the node is not running", "nothing arrives, and nothing is passed on", d.command("up"))
		return
	}
	for _, t := range s.Sync {
		if t.Current {
			d.healthy("topic %q is synced", t.Topic)
			continue
		}
		d.add(Notice, "sync", fmt.Sprintf("topic %q is not known to be in step: %s", t.Topic, t.NotCurrent),
			"only what living authors have signed, and two links or they themselves have brought, tells that nothing is withheld",
			"a second --peer, or a link to the authors themselves, helps")
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shortened cuts what there are too many of.
func shortened[T any](list []T, most int) ([]T, int) {
	if len(list) <= most {
		return list, 0
	}
	return list[:most], len(list) - most
}
