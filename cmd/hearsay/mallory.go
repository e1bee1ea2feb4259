package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/replica/link"
)

func newMalloryCmd(a *app) *cobra.Command {
	var o malloryOptions
	cmd := &cobra.Command{
		Use:   "mallory",
		Short: "Run a relay that attacks",
		Long: `Runs a relay that attacks, until a signal. It accepts links at --listen under a throw-away
key, links upstream for each, and passes what both say, except for what --attack does to
it. Attacks named together work together, in their order.

It is for nodes of your own: it listens and dials on loopback only, unless
--insecure-any-address is given, and what it holds and sends is bounded. Put a node's --peer
on it, and another --peer on something honest. Whatever it does, both nodes must end with the
same "hearsay dump", and nothing in it that ends in "` + strings.TrimSpace(mallory.Mark) + `".

Choices come from --seed: the same frames meet the same fate.`,
		Example: `  hearsay mallory --list
  hearsay mallory --listen 127.0.0.1:5000 --upstream 127.0.0.1:4427 --attack reorder,bad-copy`,
		Args:        takes(0, 0),
		Annotations: map[string]string{annotationStays: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.list || o.rights {
				return a.print(func(out *output) error { return listAttacks(out, o.rights) })
			}
			return a.runMallory(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "", "accept callers on `ADDR`, HOST:PORT")
	f.StringVar(&o.upstream, "upstream", "", "link to `ADDR`, [ID@]HOST:PORT, for each")
	f.StringVar(&o.attacks, "attack", "", "do `NAME`, or several with commas between them")
	f.Var(&o.toward, "toward", "to whom: caller, upstream or both")
	f.Uint64Var(&o.seed, "seed", 1, "choose by the number `N`")
	f.Var(topicVar(&o.topic), "topic", "speak of topic `T` (default: the first that both sides name)")
	o.author.add(a, cmd)
	f.BoolVar(&o.anyAddress, "insecure-any-address", false, "listen and dial elsewhere than on loopback")
	f.BoolVar(&o.list, "list", false, "print the name of each attack and what it does")
	f.BoolVar(&o.rights, "right", false, "print the name of each attack and the only right behaviour")
	cmd.MarkFlagsMutuallyExclusive("list", "right", "attack")
	return cmd
}

type malloryOptions struct {
	listen, upstream, attacks, topic string
	toward                           towardVar
	seed                             uint64
	author                           adminFlags
	anyAddress, list, rights         bool
}

// towardVar is whom attacks are meant for.
type towardVar struct{ mallory.Toward }

var towards = []string{mallory.TowardCaller: "caller", mallory.TowardUpstream: "upstream", mallory.TowardBoth: "both"}

func (t *towardVar) Set(s string) error {
	for i, name := range towards {
		if name == s {
			t.Toward = mallory.Toward(i)
			return nil
		}
	}
	return fmt.Errorf("want one of %s", strings.Join(towards, ", "))
}

func (t *towardVar) String() string { return towards[t.Toward] }

func (t *towardVar) Type() string { return "string" }

func listAttacks(out *output, rights bool) error {
	var rows [][]string
	for _, x := range mallory.Attacks() {
		text := x.About
		if x.NeedsKey {
			text += " (needs --key)"
		}
		if rights {
			text = x.Right
		}
		rows = append(rows, []string{x.Name, text})
	}
	return out.table(rows)
}

// runMallory attacks until ctx ends, and then says what it has done.
func (a *app) runMallory(ctx context.Context, o malloryOptions) error {
	cfg, err := a.malloryConfig(ctx, o)
	if err != nil {
		return err
	}
	m, err := mallory.New(cfg)
	if errors.Is(err, mallory.ErrNeedsKey) {
		return &usageError{withoutPackage(err.Error()), "--key FILE names one that the nodes admit, and that no running node has"}
	}
	if err != nil {
		return err
	}
	defer m.Close()
	ln, err := m.Listen(ctx, o.listen)
	if err != nil {
		return malloryAddress(err)
	}
	err = a.print(func(out *output) error {
		_, err := fmt.Fprintf(out, "%v\nhearsay up --peer %v@%v\n", m.ID(), m.ID(), ln.Addr())
		return err
	})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	err = m.Serve(ctx, ln)
	a.log.Info("mallory has ended", "links", m.Stats().Links, "passed", m.Stats().Passed, "changed", m.Stats().Changed,
		"withheld", m.Stats().Withheld, "made", m.Stats().Made)
	return err
}

func (a *app) malloryConfig(ctx context.Context, o malloryOptions) (cfg mallory.Config, err error) {
	for _, f := range []struct{ name, value string }{{"--listen ADDR", o.listen}, {"--upstream ADDR", o.upstream}, {"--attack NAME", o.attacks}} {
		if f.value == "" {
			return cfg, &usageError{f.name + " is needed", "hearsay mallory --list prints the attacks"}
		}
	}
	cfg = mallory.Config{Toward: o.toward.Toward, Seed: o.seed, Topic: o.topic, Log: a.log, InsecureAnyAddress: o.anyAddress}
	if cfg.Attacks, err = mallory.Find(o.attacks); err != nil {
		return cfg, &usageError{withoutPackage(err.Error()), "hearsay mallory --list prints the attacks"}
	}
	if cfg.Upstream, err = link.ParseAddress(o.upstream); err != nil {
		return cfg, usagef("--upstream: %s", withoutPackage(err.Error()))
	}
	for _, address := range []string{o.listen, cfg.Upstream.HostPort} {
		if o.anyAddress {
			break
		}
		if err := mallory.Loopback(ctx, address); err != nil {
			return cfg, malloryAddress(err)
		}
	}
	if o.author.key != "" || !o.author.agent.IsZero() {
		cfg.Key, err = o.author.signer(ctx, a)
	}
	return cfg, err
}

// malloryAddress is also for what fuzz says of addresses.
func malloryAddress(err error) error {
	if errors.Is(err, mallory.ErrNotLoopback) {
		return &usageError{withoutPackage(err.Error()), "this is for nodes of your own; --insecure-any-address allows any address"}
	}
	return err
}
