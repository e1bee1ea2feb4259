package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// forkRecord is a fork proof as a JSON object.
type forkRecord struct {
	Author keys.NodeID `json:"author"`
	Key    string      `json:"key"` // an authorized_keys line
	Topic  string      `json:"topic"`
	Fork   uint64      `json:"fork"` // the first seq that differs
	// Shared is the last update of both histories, seq 0 if they share none.
	Shared    sharedUpdate    `json:"shared"`
	Histories [2][]forkUpdate `json:"histories"`
}

type sharedUpdate struct {
	Seq  uint64    `json:"seq"`
	Hash wire.Hash `json:"hash"`
}

// forkUpdate is what a header says of an update.
type forkUpdate struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Channel string    `json:"channel"`
	Size    uint32    `json:"size"`
	Digest  string    `json:"digest"` // SHA-256 of the change
	Hash    wire.Hash `json:"hash"`
}

func newForkRecord(p *wire.Proof) *forkRecord {
	f := &forkRecord{
		Author: p.Author(), Key: p.Key().AuthorizedKey(""), Topic: p.Topic(), Fork: p.Seq(),
		Shared: sharedUpdate{p.Prev().Seq, p.Prev().Hash},
	}
	for i, chain := range p.Chains() {
		refs := chain.Refs()
		for j, encoded := range chain.Headers() {
			h, err := wire.ParseHeader(encoded)
			if err != nil {
				continue // a verified proof holds none such
			}
			f.Histories[i] = append(f.Histories[i], forkUpdate{
				Seq: h.Seq, Time: time.Unix(0, int64(h.Time)).UTC(), Kind: h.Kind.String(), Channel: h.Channel,
				Size: h.Size, Digest: hex.EncodeToString(h.Digest[:]), Hash: refs[j].Hash,
			})
		}
	}
	return f
}

// forkRows is how many updates of each history people are shown.
const forkRows = 8

// printFork shows a fork to people. self is who asks, zero if nobody in particular.
func (a *app) printFork(o *output, f *forkRecord, self keys.NodeID) error {
	shared := "nothing: the histories differ from the first update on"
	if f.Shared.Seq > 0 {
		shared = fmt.Sprintf("up to seq %d, hash %s", f.Shared.Seq, shortHex(f.Shared.Hash.String()))
	}
	if err := o.table([][]string{
		{"author", f.Author.String()},
		{"topic", escapeName(f.Topic)},
		{"proved", fmt.Sprintf("it has signed two updates with seq %d; nothing of it counts from there on", f.Fork)},
		{"shared", shared},
	}); err != nil {
		return err
	}
	fmt.Fprintln(o)
	if err := o.sideBySide(f); err != nil {
		return err
	}
	fmt.Fprintln(o)
	for _, do := range a.forkAdvice(f, self) {
		if err := o.hanging("", do.text); err != nil {
			return err
		}
		if do.command != "" {
			fmt.Fprintln(o, "  "+do.command)
		}
	}
	return nil
}

// sideBySide writes the two histories in columns of 36.
func (o *output) sideBySide(f *forkRecord) error {
	const width = 36
	line := func(seq, one, two string) error {
		pad := strings.Repeat(" ", max(2, width-columns(one)))
		_, err := fmt.Fprintln(o, strings.TrimRight(fmt.Sprintf("%6s  %s%s%s", seq, one, pad, two), " "))
		return err
	}
	if err := line("SEQ", "ONE HISTORY", "THE OTHER"); err != nil {
		return err
	}
	one, two := f.Histories[0], f.Histories[1]
	n := max(len(one), len(two))
	for i := range min(n, forkRows) {
		x, y := o.updateLines(one, i), o.updateLines(two, i)
		seq := strconv.FormatUint(f.Fork+uint64(i), 10)
		for j := range x {
			if err := line(seq, x[j], y[j]); err != nil {
				return err
			}
			seq = ""
		}
	}
	if n <= forkRows {
		return nil
	}
	return line("…", moreUpdates(one), moreUpdates(two))
}

func moreUpdates(updates []forkUpdate) string {
	if len(updates) <= forkRows {
		return ""
	}
	return fmt.Sprintf("%d more, up to seq %d", len(updates)-forkRows, updates[len(updates)-1].Seq)
}

func (o *output) updateLines(updates []forkUpdate, i int) [3]string {
	if i >= len(updates) {
		return [3]string{}
	}
	u := updates[i]
	channel := escapeName(u.Channel)
	if channel == "" {
		channel = "no channel"
	}
	if r := []rune(channel); len(r) > 20 {
		channel = string(r[:19]) + "…"
	}
	return [3]string{
		u.Time.Format("2006-01-02 15:04:05.000000 UTC"),
		channel + ", " + humanize.Bytes(uint64(u.Size)) + " of " + shortHex(u.Digest),
		"hash " + shortHex(u.Hash.String()),
	}
}

// shortHex is enough of a digest for people to compare.
func shortHex(s string) string { return s[:12] + "…" }

// advice is what to do, and the command that does it.
type advice struct{ text, command string }

// forkAdvice says who must do what.
func (a *app) forkAdvice(f *forkRecord, self keys.NodeID) []advice {
	prove := advice{"To prove it to others, who check it with \"hearsay fork verify FILE\":",
		fmt.Sprintf("hearsay fork show%s %v -o FILE", a.dataFlag(), f.Author)}
	if f.Author == self {
		return []advice{
			{"This is this node's own key. Two stores wrote with it: a copied data directory, a restored backup, or the key on two machines. " +
				"What both histories share stays; the rest counts nowhere any more, and nothing repairs that.", ""},
			{"To go on: stop every node that uses the key, make a new one, have its .pub trusted, and write again what is missing.", "hearsay up --data NEWDIR"},
			prove,
		}
	}
	return []advice{
		{"If the key is yours: stop every node that uses it, make a new one, have its .pub trusted, and write again what is missing. Nothing repairs the old one.", "hearsay up --data NEWDIR"},
		{"Everybody else: nothing has to be done, all replicas end alike. To take the author out altogether:", fmt.Sprintf("hearsay untrust%s %v", a.dataFlag(), f.Author)},
		prove,
	}
}
