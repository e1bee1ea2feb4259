package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

func newStatusCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether a node is in step, its peers and authors",
		Long: `Shows a node at a glance. A topic is "synced" only when everything that living authors
have signed is here, as two links or the authors themselves tell: one relay's word is not
enough. A link is "behind" when its peer lacks what authors have signed, "stale" when no author
of what it carries has signed anything lately, and "silent" when its peer never says what it
has; a peer that "sends only" takes nothing of what is written here. WORD is how old an
author's newest signed word is on how far it has written.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				s, err := api.Status(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(s)
				}
				return a.print(func(o *output) error { return printStatus(o, s, time.Now()) })
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	a.keyAccess.add(cmd.Flags())
	return cmd
}

func printStatus(o *output, s *node.Status, now time.Time) error {
	running := "not running"
	if s.Running {
		running = "running"
	}
	rows := [][]string{{"node", s.ID.String() + "  " + running}}
	for _, t := range s.Sync {
		rows = append(rows, topicRows(o, t, now)...)
	}
	if len(s.Sync) == 0 {
		rows = append(rows, []string{"topics", "none"})
	}
	rows = append(rows,
		[]string{"listening", cmp.Or(strings.Join(s.Listen, ", "), "no")})
	switch {
	case s.SendOnly:
		rows = append(rows, []string{"links", "send only: nothing is taken from peers"})
	case s.ReceiveOnly:
		rows = append(rows, []string{"links", "receive only: peers are sent no updates"})
	}
	rows = append(rows, []string{"updates", counts(s)})
	rows = append(rows, keyRows(o, s.Keys, now)...)
	if s.Write != "" {
		rows = append(rows, []string{"writing", "no: " + escapeLine(brief(s.Write))})
	}
	if err := o.table(rows); err != nil {
		return err
	}
	if err := printPeers(o, s.Peers); err != nil {
		return err
	}
	return printAuthors(o, s, now)
}

// topicRows says whether a topic is in step, and what else is to be known of it.
func topicRows(o *output, t node.TopicStatus, now time.Time) [][]string {
	state := "synced"
	if !t.Current {
		state = "not synced: " + escapeLine(brief(t.NotCurrent))
	}
	rows := [][]string{{"topic", escapeName(t.Topic) + "  " + state}}
	if r := t.Rebuild; r != nil {
		what := "waits for its turn"
		if r.Running {
			what = "runs"
		}
		rows = append(rows, []string{"", fmt.Sprintf("a rebuild %s, for %d authors, since %s: values may still show what does not count",
			what, r.Reasons, span(now.Sub(r.Since)))})
	}
	return rows
}

// keyRows says where admitted keys come from, and what is wrong there.
func keyRows(o *output, sources []node.KeySource, now time.Time) (rows [][]string) {
	if len(sources) == 0 {
		return [][]string{{"admits", "every key that proves itself"}}
	}
	label := "admits"
	add := func(text string) {
		rows = append(rows, []string{label, text})
		label = ""
	}
	for _, s := range sources {
		add(escapeLine(sourceText(s, now)))
		for _, p := range s.Problems {
			add("  " + escapeLine(brief(p)))
		}
	}
	return rows
}

// sourceText says what a source of admitted keys has.
func sourceText(s node.KeySource, now time.Time) string {
	count := fmt.Sprintf("%s keys", humanize.Comma(int64(s.Keys)))
	if s.Keys == 1 {
		count = "1 key"
	}
	switch {
	case s.Kind == node.SourceTrusted:
		return count + " trusted"
	case s.Kind != node.SourceServer:
		return count + " in " + s.Where
	case s.List == nil:
		return "nobody yet by " + s.Where + ": it has given no list"
	}
	good := "good until "
	if !now.Before(s.List.Expires) {
		good = "expired at "
	}
	return fmt.Sprintf("%s by %s: list %d, %s old, %s%s", count, s.Where, s.List.Version, span(now.Sub(s.List.Issued)), good, s.List.Expires.UTC().Format(time.RFC3339))
}

func counts(s *node.Status) string {
	var text strings.Builder
	text.WriteString(humanize.Comma(int64(s.Counts.Applied)) + " applied")
	for _, c := range []struct {
		n    uint64
		what string
	}{{s.Counts.Rejected, "rejected"}, {s.Counts.Parked, "parked"}, {s.Counts.Waiting, "waiting"}, {s.Counts.Ignored, "unreadable"}} {
		if c.n > 0 {
			text.WriteString(", " + humanize.Comma(int64(c.n)) + " " + c.what)
		}
	}
	return text.String()
}

func printPeers(o *output, peers []node.Peer) error {
	if len(peers) == 0 {
		return nil
	}
	rows := [][]string{{"PEER", "ADDRESS", "STATE", "IN", "OUT", "UPDATES"}}
	notes := [][]string{nil}
	for _, p := range peers {
		id, address := "?", p.Address
		if p.ID != nil {
			id = p.ID.Short()
		}
		if at := strings.LastIndexByte(address, '@'); at >= 0 {
			address = address[at+1:]
		}
		state := string(p.State)
		var why []string
		if p.Reason != "" {
			why = append(why, escapeLine(brief(p.Reason)))
		}
		for _, l := range p.Sessions {
			if l.State != replica.LinkOK {
				state = string(p.State) + ", " + string(l.State)
				why = append(why, escapeLine(l.Topic+": "+string(l.State)+": "+brief(l.Reason)))
			}
		}
		if len(p.Sessions) > 0 { // one session has all topics
			switch l := p.Sessions[0]; {
			case l.PeerSendOnly:
				state += ", sends only"
			case l.PeerReceiveOnly:
				state += ", receives only"
			}
		}
		rows = append(rows, []string{id, escapeLine(address), state, humanize.Bytes(p.BytesIn), humanize.Bytes(p.BytesOut),
			humanize.Comma(int64(p.UpdatesIn)) + " in, " + humanize.Comma(int64(p.UpdatesOut)) + " out"})
		notes = append(notes, why)
	}
	fmt.Fprintln(o)
	return o.notedTable(rows, notes)
}

func printAuthors(o *output, s *node.Status, now time.Time) error {
	if len(s.Authors) == 0 {
		return nil
	}
	rows := [][]string{{"AUTHOR", "TOPIC", "SEQ", "STATE", "WORD"}}
	notes := [][]string{nil}
	for _, au := range s.Authors {
		var why []string
		if au.State != replica.StateOK { // else: how many updates there are, which a column says
			why = []string{escapeLine(brief(au.Reason))}
		}
		rows = append(rows, []string{shortID(au.ID, s.ID), escapeName(au.Topic), strconv.FormatUint(au.Seq, 10), string(au.State), word(au, now)})
		notes = append(notes, why)
	}
	fmt.Fprintln(o)
	return o.notedTable(rows, notes)
}

// word says how old an author's newest signed head is.
func word(au replica.AuthorStatus, now time.Time) string {
	switch {
	case au.Word == nil:
		return "none"
	case !au.Stale.IsZero():
		return "stale since " + au.Stale.UTC().Format(time.RFC3339)
	}
	return span(now.Sub(au.Word.Issued)) + " ago"
}

// span is a duration as people say it.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

var nodeIDs = regexp.MustCompile(`\bQm[1-9A-HJ-NP-Za-km-z]{44}\b`)

// brief shortens the ids in a reason as tables show them, and drops the package's name.
func brief(reason string) string {
	return nodeIDs.ReplaceAllStringFunc(withoutPackage(reason), func(s string) string {
		if id, err := keys.ParseNodeID(s); err == nil {
			return id.Short()
		}
		return s
	})
}

func shortID(id, self keys.NodeID) string {
	if id == self {
		return id.Short() + " (this node)"
	}
	return id.Short()
}
