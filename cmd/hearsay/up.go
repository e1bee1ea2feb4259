package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newUpCmd(a *app) *cobra.Command {
	var o node.Options
	var topic string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a node until a signal",
		Long: `Runs a node: makes a key and a store in the data directory if there are none, and
listens on loopback. Prints the node's id and the line that another node runs to join.

Only the keys that "hearsay trust" admits, and the node's own, count as authors; --open
admits every key that proves itself. Whoever delivers an update does not matter.`,
		Example: `  hearsay up
  hearsay up --data ./ada --listen :4427 --peer Qm…@relay.example:4427 --topic greetings
  hearsay up --agent SHA256:…`,
		Args:        takes(0, 0),
		Annotations: map[string]string{annotationStays: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("topic") {
				o.Topics = []string{topic}
			}
			o.Passphrase = a.openPassphrase(cmd.Context())
			return a.stay(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.KeyFile, "key", "", "use the private key in `FILE` (default: one is made in the data directory)")
	a.keyAccess.add(f)
	f.Var(idVar{&o.Agent}, "agent", "sign with the key of `FINGERPRINT` in the ssh-agent at $SSH_AUTH_SOCK (ssh-add -l shows them)")
	f.Var(topicVar(&topic), "topic", "replicate topic `T` (default: that of last time, and at first \"default\")")
	a.linkFlags(f, &o)
	f.BoolVar(&o.Force, "force", false, "write even if no peer can say that this store is the newest of its key")
	cmd.MarkFlagFilename("key")
	cmd.MarkFlagsMutuallyExclusive("key", "agent")
	return cmd
}

func newRelayCmd(a *app) *cobra.Command {
	o := node.Options{Relay: true}
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Run a relay until a signal",
		Long: `Runs a relay: it stores, verifies and forwards, and nobody has to trust it. Without
--topic it carries every topic that its peers name (up to 64). It carries the updates of
trusted authors, or, with --open, of every key that proves itself.`,
		Example:     "  hearsay relay --open --listen :4427",
		Args:        takes(0, 0),
		Annotations: map[string]string{annotationStays: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Passphrase = a.openPassphrase(cmd.Context())
			return a.stay(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	listVar(f, &o.Topics, "topic", "carry topic `T`; may be given several times", wire.CheckTopic)
	a.linkFlags(f, &o)
	a.keyAccess.add(f)
	return cmd
}

func (a *app) linkFlags(f *pflag.FlagSet, o *node.Options) {
	listVar(f, &o.Listen, "listen", "listen on `ADDR`, HOST:PORT; may be given several times (default 127.0.0.1:4427, or the next free port)", checkListen)
	listVar(f, &o.Peers, "peer", "stay linked with `ADDR`, [ID@]HOST:PORT; may be given several times", checkPeer)
	f.BoolVar(&o.SendOnly, "send-only", false, "offer peers what is here, and take nothing from them")
	f.BoolVar(&o.ReceiveOnly, "receive-only", false, "take what peers have, and disclose nothing to them but this node's id and topics")
	f.BoolVar(&o.SendClock, "send-clock", false, "with --receive-only: tell peers how far each author is here, so that they send only what is missing")
	f.BoolVar(&o.AnyKey, "open", false, "admit every author whose key proves itself")
	a.keyFlags(f, o)
	f.Var(headIntervalVar{&o.HeadInterval}, "head-interval", "sign how far this node has written every `DURATION`; an author or a link is stale after two (default 30s)")
}

// stay runs a node until ctx ends.
func (a *app) stay(ctx context.Context, o node.Options) error {
	if err := a.checkKeySources(ctx, &o); err != nil {
		return err
	}
	switch {
	case o.SendOnly && o.ReceiveOnly:
		return usagef("--send-only and --receive-only leave nothing to do: give one of them")
	case o.SendClock && !o.ReceiveOnly:
		return usagef("--send-clock goes with --receive-only")
	}
	o.Dir, o.Log, o.Version = a.data, a.log, version()
	n, err := node.Open(ctx, o)
	if err != nil {
		return err
	}
	if err := a.greet(ctx, n, o); err != nil {
		return errors.Join(err, n.Close())
	}
	return n.Run(ctx)
}

// greet says who the node is, how another joins it, whom it believes, and what it
// cannot do.
func (a *app) greet(ctx context.Context, n *node.Node, o node.Options) error {
	err := a.print(func(out *output) error {
		_, err := fmt.Fprintf(out, "%v\n%s\n", n.ID(), n.JoinLine())
		return err
	})
	if err != nil {
		return err
	}
	if !o.AnyKey {
		a.hint("hearsay trust%s PUBFILE admits an author; --open admits every key that proves itself", a.dataFlag())
	}
	if o.Relay {
		if len(o.Peers) > 0 && len(o.Topics) == 0 {
			a.hint("a relay asks its own --peer only for topics that it knows already: from --topic, or from peers that link to it")
		}
		return nil
	}
	if !o.AnyKey {
		a.hint("others admit this node with: echo '%v' | hearsay trust -", n.PublicKey())
	}
	if o.ReceiveOnly {
		a.hint("--receive-only: what is written on this node stays on it")
	}
	s, err := n.Status(ctx)
	if err == nil && s.Write != "" {
		a.warn("not writing: %s", withoutPackage(s.Write))
	}
	return err
}

// version is what the module was built as.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// dataFlag is how a printed command names the same data directory.
func (a *app) dataFlag() string {
	if a.data == "" {
		return ""
	}
	return " --data " + shellQuote(a.data)
}
