package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// app is one run of the program: its streams and the flags that every command has.
type app struct {
	in       *os.File
	stdin    io.Reader // in, until a signal
	out, err *os.File

	verbose    bool
	logFormat  string
	data       string
	topic      string
	keyAccess  passphraseFlag
	keysSigner string         // --keys-signer: an id, or a file
	signals    chan os.Signal // the first of them ends the run

	log *slog.Logger
}

func run(args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	a.log = slog.New(&handler{w: redacting{a.err}, level: slog.LevelWarn})
	ctx, cancel := a.untilSignal()
	defer cancel()
	a.stdin = &interruptible{ctx: ctx, r: a.in}

	root := newRootCmd(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.finish(cmd, err)
}

// untilSignal returns a context that a signal ends. A second signal ends the program at
// once.
func (a *app) untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a.signals = make(chan os.Signal, 1)
	signal.Notify(a.signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-a.signals
		signal.Stop(a.signals)
		cancel(signaled{s})
	}()
	return ctx, func() { cancel(nil) }
}

// signaled is why a context ended, as signal.NotifyContext has it.
type signaled struct{ os.Signal }

func (s signaled) Error() string        { return s.String() + " signal received" }
func (s signaled) Is(target error) bool { return target == context.Canceled }

// finish reports err and returns the exit code.
func (a *app) finish(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	failed, ran := errors.AsType[*failure](err)
	if ran {
		err = failed.err
	}
	hint := a.hintFor(err)
	usage, isUsage := errors.AsType[*usageError](err)
	if isUsage {
		hint = usage.hint
	}
	if isUsage || !ran {
		if hint == "" {
			hint = "usage: " + cmd.UseLine() + "; --help says more"
		}
		a.report(err, hint)
		return exitUsage
	}
	if !errors.Is(err, errQuiet) {
		a.report(err, hint)
	}
	return exitFailed
}

// report has the last word: what ends the program needs no time.
func (a *app) report(err error, hint string) {
	if h, ok := a.log.Handler().(*handler); ok {
		last := *h
		last.timed = false
		a.log = slog.New(&last)
	}
	a.log.Error(withoutPackage(err.Error()))
	if hint != "" {
		a.hint("%s", hint)
	}
}

// setLog follows -v and --log-format. Commands that run for long say more, and when.
func (a *app) setLog(cmd *cobra.Command) error {
	level := slog.LevelWarn
	_, stays := cmd.Annotations[annotationStays]
	if stays {
		level = slog.LevelInfo
	}
	if a.verbose {
		level = slog.LevelDebug
	}
	switch a.logFormat {
	case "text":
		a.log = slog.New(&handler{w: redacting{a.err}, level: level, timed: stays})
	case "json":
		a.log = slog.New(slog.NewJSONHandler(escaping{redacting{a.err}}, &slog.HandlerOptions{Level: level, ReplaceAttr: nameHint}))
	default:
		return usagef("--log-format is text or json, not %q", a.logFormat)
	}
	return nil
}

// annotationStays marks the commands that run until a signal.
const annotationStays = "stays"

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// input opens FILE, or standard input for "-" and "".
func (a *app) input(name string) (io.ReadCloser, error) {
	if name == "" || name == "-" {
		return io.NopCloser(a.stdin), nil
	}
	return os.Open(name)
}

// arg returns the nth argument, or "".
func arg(args []string, n int) string {
	if n < len(args) {
		return args[n]
	}
	return ""
}
