package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/node/bridge"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
)

// bridgeDir is where bridges of a data directory keep their npm side.
const bridgeDir = "bridge"

// bridgeFlags are those of the bridge command.
type bridgeFlags struct {
	listen, connect        []string
	model, prefix          string
	insecure               bool
	private, public, peers string
}

func newBridgeCmd(a *app) *cobra.Command {
	var o bridgeFlags
	cmd := &cobra.Command{
		Use:   "bridge --listen ADDR|--connect ADDR",
		Short: "Join a topic with npm scuttlebutt peers until a signal",
		Long: `Keeps the topic of the node that runs in --data and a fleet of npm scuttlebutt 5.6.15 peers
alike, both ways. What comes from npm is signed by the node's key and keeps the npm source
and timestamp beside it. Prints tcp://HOST:PORT of each --listen, and its npm id.

With --model kv, npm's key K is the key PREFIX+K: a JSON string crosses as its characters,
other JSON as its text, null deletes, and what the topic's authors set is a JSON string to
npm. Keys that begin with PREFIX.npm/ hold the npm updates. With --model events, npm's event
N is the event PREFIX+N with the npm update as its data.

Npm peers prove nothing and encrypt nothing: keep them on a network that you trust. With
--insecure-rsa-sha1 updates are signed as in the npm module's security mode, by the keys in
--private, --public, and those of the fleet, PEM files in --peers.`,
		Example: `  hearsay bridge --connect 10.0.0.5:8000 --prefix fleet/
  hearsay bridge --listen :4428 --model events --insecure-rsa-sha1 --private a --public a.pem --peers ./keys`,
		Args:        takes(0, 0),
		Annotations: map[string]string{annotationStays: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.bridge(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	listVar(f, &o.listen, "listen", "let npm peers connect to `ADDR`, HOST:PORT; may be given several times", checkListen)
	listVar(f, &o.connect, "connect", "stay connected with the npm peer at `ADDR`, HOST:PORT; may be given several times", checkListen)
	f.StringVar(&o.model, "model", string(bridge.KV), "bridge `MODEL`: kv, npm's scuttlebutt/model, or events, its scuttlebutt/events")
	f.StringVar(&o.prefix, "prefix", "", "of the topic, bridge what begins with `P`")
	a.addTopicFlag(cmd)
	f.BoolVar(&o.insecure, "insecure-rsa-sha1", false, "sign and verify as the npm module's security mode does")
	f.StringVar(&o.private, "private", "", "for that, sign with the RSA key in PEM `FILE`")
	f.StringVar(&o.public, "public", "", "for that, the public half is PEM `FILE`, which the npm id is the hash of")
	f.StringVar(&o.peers, "peers", "", "for that, believe the public keys in the *.pem of `DIR`")
	cmd.MarkFlagFilename("private")
	cmd.MarkFlagFilename("public", "pem")
	cmd.MarkFlagDirname("peers")
	return cmd
}

func (o *bridgeFlags) check() error {
	if len(o.listen)+len(o.connect) == 0 {
		return &usageError{"--listen or --connect is missing", "--listen is for npm peers that connect here, --connect for one that listens"}
	}
	if o.model != string(bridge.KV) && o.model != string(bridge.Events) {
		return usagef("--model is kv or events, not %q", o.model)
	}
	given := o.private != "" || o.public != "" || o.peers != ""
	all := o.private != "" && o.public != "" && o.peers != ""
	if o.insecure != given || o.insecure && !all {
		return &usageError{"--insecure-rsa-sha1, --private, --public and --peers go together", "without them, npm peers are believed whatever they say"}
	}
	return nil
}

func (a *app) bridge(ctx context.Context, o *bridgeFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	return a.attach(ctx, func(api node.API) error {
		if _, own := api.(*node.Node); own {
			return withHint(errors.New("no node runs in the data directory: nothing would leave it"), "hearsay up%s", a.dataFlag())
		}
		status, err := api.Status(ctx)
		if err != nil {
			return err
		}
		cfg := bridge.Config{
			Topic: api, Name: a.topic, Self: status.ID, Kind: bridge.Kind(o.model), Prefix: o.prefix, Log: a.log,
		}
		if cfg.Name == "" && len(status.Topics) > 0 {
			cfg.Name = status.Topics[0]
		}
		dir := a.data
		if dir == "" {
			if dir, err = node.DefaultDir(); err != nil {
				return err
			}
		}
		cfg.Dir = filepath.Join(dir, bridgeDir)
		if cfg.Security, err = a.npmSecurity(o); err != nil {
			return err
		}
		return a.runBridge(ctx, cfg, o)
	})
}

// npmSecurity is the npm module's mode, nil unless it is asked for.
func (a *app) npmSecurity(o *bridgeFlags) (scuttlebutt.Security, error) {
	if !o.insecure {
		return nil, nil
	}
	file, err := os.ReadFile(o.private)
	if err != nil {
		return nil, err
	}
	private, err := scuttlebutt.ParseInsecurePrivateKey(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.private, err)
	}
	if file, err = os.ReadFile(o.public); err != nil {
		return nil, err
	}
	public, err := scuttlebutt.ParseInsecurePublicKey(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.public, err)
	}
	known, err := scuttlebutt.OpenInsecureKeyDir(o.peers, a.log)
	if err != nil {
		return nil, err
	}
	return scuttlebutt.InsecureRSASHA1(known, private, public)
}

// runBridge runs a bridge with its listeners and connections.
func (a *app) runBridge(ctx context.Context, cfg bridge.Config, o *bridgeFlags) (err error) {
	var listeners []net.Listener
	for _, addr := range o.listen {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		defer ln.Close()
		listeners = append(listeners, ln)
	}
	b, err := bridge.Open(ctx, cfg)
	if errors.Is(err, os.ErrExist) {
		return withHint(err, "another hearsay bridge of this topic, model and prefix runs")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	err = a.print(func(out *output) error {
		for _, ln := range listeners {
			fmt.Fprintf(out, "tcp://%s\n", ln.Addr())
		}
		_, err := fmt.Fprintln(out, b.Node().ID())
		return err
	})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var links sync.WaitGroup
	defer links.Wait()
	defer end(nil)
	for _, ln := range listeners {
		links.Go(func() { end(b.Node().Serve(ctx, ln, scuttlebutt.SyncConfig{})) })
	}
	for _, addr := range o.connect {
		links.Go(func() { b.Node().Connect(ctx, addr, scuttlebutt.SyncConfig{}) })
	}
	if err = b.Run(ctx); ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, context.Canceled) {
		return nil // the signal that ends it
	}
	return err
}
