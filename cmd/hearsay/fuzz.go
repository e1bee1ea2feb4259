package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	fuzz "github.com/hearsaynet/hearsay/fuzz/session"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/node"
)

// fuzzFor is how long fuzzing takes when nobody says otherwise.
const fuzzFor = time.Minute

type fuzzOptions struct {
	fuzz.Config
	target, crash, replay string
	asJSON                bool
}

func newFuzzCmd(a *app) *cobra.Command {
	var o fuzzOptions
	cmd := &cobra.Command{
		Use:   "fuzz",
		Short: "Send generated sessions to a node",
		Long: `Links to --target under throw-away keys and sends it sessions of good frames, of broken
ones and of bytes that are no frames; and after each one that an honest peer could have sent,
which must be answered. Choices come from --seed: the same seed makes the same sessions.

It is for a node of your own, this program's or another's, that holds nothing of value: an
open one takes in what the throw-away authors sign, and may refuse this address for a while.
It dials loopback only, unless --insecure-any-address is given.

It exits 0 when the target has answered after each session. When it has not, or cannot be
linked to, it exits 1, and the last session is in the file --crash, which --replay sends
again.`,
		Example: `  hearsay up --data scratch --open --listen 127.0.0.1:5000
  hearsay fuzz --target 127.0.0.1:5000 --for 10m
  hearsay fuzz --target 127.0.0.1:5000 --replay hearsay-fuzz.json`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.target == "" {
				return usagef("--target is missing")
			}
			var err error
			if o.Target, err = link.ParseAddress(o.target); err != nil {
				return usagef("--target: %s", withoutPackage(err.Error()))
			}
			if o.Sessions < 0 || o.For < 0 || o.Patience < 0 {
				return usagef("--sessions, --for and --patience are not negative")
			}
			if o.replay != "" {
				return malloryAddress(a.replay(cmd.Context(), o))
			}
			if o.Sessions == 0 && o.For == 0 {
				o.For = fuzzFor
			}
			if !cmd.Flags().Changed("seed") {
				o.Seed = uint64(rand.Uint32())
			}
			return malloryAddress(a.fuzz(cmd.Context(), o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "fuzz what listens at `ADDR`, [ID@]HOST:PORT")
	o.Topic = node.DefaultTopic
	f.Var(topicVar(&o.Topic), "topic", `speak of topic `+"`T`"+`, which the target replicates (default "default")`)
	f.Uint64Var(&o.Seed, "seed", 0, "choose by the number `N` (default: a random one, which is printed)")
	f.DurationVar(&o.For, "for", 0, "stop after this `TIME` (default 1m, without --sessions)")
	f.IntVar(&o.Sessions, "sessions", 0, "stop after `N` sessions")
	f.DurationVar(&o.Patience, "patience", fuzz.DefaultPatience, "wait this `TIME` for the answer to an honest session")
	f.StringVar(&o.crash, "crash", "hearsay-fuzz.json", "write the session that is not answered after to `FILE`")
	f.StringVar(&o.replay, "replay", "", "send the session in `FILE` instead, once")
	f.BoolVar(&o.InsecureAnyAddress, "insecure-any-address", false, "dial elsewhere than on loopback")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	cmd.MarkFlagFilename("crash")
	cmd.MarkFlagFilename("replay")
	cmd.MarkFlagsMutuallyExclusive("replay", "seed")
	cmd.MarkFlagsMutuallyExclusive("replay", "for")
	cmd.MarkFlagsMutuallyExclusive("replay", "sessions")
	return cmd
}

func (a *app) fuzz(ctx context.Context, o fuzzOptions) error {
	bar := progressbar.NewOptions64(max(int64(o.For), int64(o.Sessions)),
		progressbar.OptionSetVisibility(isTerminal(a.err)), progressbar.OptionSetWriter(a.err),
		progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
	o.Progress = func(p fuzz.Progress) {
		bar.Describe(fmt.Sprintf("seed %d: %d sessions, %d served, %d closed", o.Seed, p.Sessions, p.Served, p.Closed))
		if o.For > 0 {
			bar.Set64(min(int64(p.Elapsed), int64(o.For)-1)) // nothing depends on whether it can be drawn
		} else {
			bar.Set64(int64(p.Sessions))
		}
	}
	p, err := fuzz.Fuzz(ctx, o.Config)
	bar.Clear()
	stopped := ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
	if printed := a.printFuzzed(o, p, err); printed != nil && err == nil {
		return printed
	}
	if stopped {
		return nil
	}
	if crash, ok := errors.AsType[*fuzz.Crash](err); ok {
		return a.keepCrash(o, crash)
	}
	return err
}

// printFuzzed says what was sent, once anything was.
func (a *app) printFuzzed(o fuzzOptions, p fuzz.Progress, err error) error {
	if p.Sessions == 0 && err != nil {
		return nil
	}
	if o.asJSON {
		_, crashed := errors.AsType[*fuzz.Crash](err)
		return a.printJSON(struct {
			Seed uint64 `json:"seed"`
			fuzz.Progress
			Seconds float64 `json:"seconds"`
			Crashed bool    `json:"crashed"`
		}{o.Seed, p, p.Elapsed.Seconds(), crashed})
	}
	_, err = fmt.Fprintf(a.out, "seed %d: %s sessions in %v: %d served, %d closed, %d without an answer, %d not linked; %s frames, %s\n",
		o.Seed, humanize.Comma(int64(p.Sessions)), p.Elapsed.Round(time.Millisecond), p.Served, p.Closed, p.Silent, p.Refused,
		humanize.Comma(int64(p.Frames)), humanize.IBytes(uint64(p.Bytes)))
	return err
}

func (a *app) keepCrash(o fuzzOptions, crash *fuzz.Crash) error {
	file, err := crash.Marshal()
	if err == nil {
		err = writeWhole(o.crash, func(w io.Writer) error {
			_, err := w.Write(file)
			return err
		})
	}
	if err != nil {
		return errors.Join(crash, err)
	}
	return withHint(crash, "hearsay fuzz --target %s --replay %s sends that session again", shellQuote(o.target), shellQuote(o.crash))
}

func (a *app) replay(ctx context.Context, o fuzzOptions) error {
	f, err := os.Open(o.replay)
	if err != nil {
		return err
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, fuzz.MaxCrashFile+1))
	if err != nil {
		return err
	}
	crash, err := fuzz.ParseCrash(file)
	if err != nil {
		return fmt.Errorf("%s: %s", o.replay, withoutPackage(err.Error()))
	}
	if err := fuzz.Replay(ctx, o.Config, crash); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "session %d of seed %d: the target answers after it\n", crash.Session, crash.Seed)
	return err
}
