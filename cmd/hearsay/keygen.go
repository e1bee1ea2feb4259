package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
)

type keygenFlags struct {
	file, kind, comment, passphrase string
	bits                            int
	quiet                           bool
	count                           int // of a fleet, with out and name
	out, name                       string
}

func newKeygenCmd(a *app) *cobra.Command {
	var f keygenFlags
	cmd := &cobra.Command{
		Use:   "keygen -f FILE | --count N --out DIR",
		Short: "Make a node key, or those of a fleet",
		Long: `Makes FILE, an OpenSSH private key of mode 0600, and FILE.pub, and prints the node
id alone. Neither file is ever overwritten. The passphrase is -N, or the first line of
--passphrase-file; otherwise a terminal is asked for it twice, and without a terminal
there is none.

With --count it makes the keys node-000001 to N in DIR, all with one passphrase, and
DIR/manifest.tsv with name, id, fingerprint and kind of each, and prints how many are new.
Those that are there stay: when it was ended, the same command goes on.`,
		Example: `  hearsay keygen -f node.key
  hearsay keygen --count 100 --out fleet --name edge
  hearsay keygen -f node.key -t rsa -b 4096 -C ada@example`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keygen(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "file", "f", "", "write the private key to `FILE`, the public one to FILE.pub")
	fl.StringVarP(&f.kind, "type", "t", keygen.Ed25519, "make a key of this `KIND`, ed25519 or rsa")
	fl.IntVarP(&f.bits, "bits", "b", 0, "make an RSA key of `BITS`, 2048 to 4096 (default 3072)")
	fl.StringVarP(&f.passphrase, "passphrase", "N", "", "encrypt the file with `PASSPHRASE`; '' is none")
	a.keyAccess.add(fl)
	fl.StringVarP(&f.comment, "comment", "C", "", "put `COMMENT` into the public key (default user@host)")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print the id and nothing else")
	fl.IntVar(&f.count, "count", 0, "make the keys of a fleet of `N`")
	fl.StringVar(&f.out, "out", "", "keep the fleet's keys in `DIR`")
	fl.StringVar(&f.name, "name", "node", "call the fleet's keys `NAME`-000001 and so on")
	cmd.MarkFlagFilename("file")
	cmd.MarkFlagDirname("out")
	cmd.RegisterFlagCompletionFunc("type", fixed(keygen.Ed25519, keygen.RSA))
	return cmd
}

func (a *app) keygen(cmd *cobra.Command, f *keygenFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	passphrase, err := a.keygenPassphrase(cmd, f)
	if err != nil {
		return err
	}
	if f.out != "" {
		return a.keygenFleet(cmd.Context(), f, passphrase)
	}
	k, err := keygen.Generate(f.kind, f.bits)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("comment") {
		f.comment = defaultComment()
	}
	if err := keygen.WriteFiles(f.file, k, f.comment, passphrase); err != nil {
		return err
	}
	if !f.quiet {
		fmt.Fprintf(a.err, "wrote %s and %[1]s.pub\n", escapeLine(f.file))
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, k.Public().ID())
		return err
	})
}

func (f *keygenFlags) check(cmd *cobra.Command) error {
	flags := cmd.Flags()
	fleet := flags.Changed("count") || flags.Changed("out") || flags.Changed("name")
	switch {
	case fleet && (f.file != "" || flags.Changed("comment")):
		return usagef("--count makes many keys: -f and -C are for one")
	case fleet && f.out == "":
		return &usageError{"--out DIR is missing", "hearsay keygen --count 100 --out fleet makes fleet/node-000001 and so on"}
	case fleet && (f.count < 1 || f.count > keygen.MaxFleet):
		return usagef("--count is 1 to %d", keygen.MaxFleet)
	case fleet:
	case f.file == "":
		return &usageError{"-f FILE is missing", "hearsay keygen -f node.key makes node.key and node.key.pub"}
	case f.kind != keygen.Ed25519 && f.kind != keygen.RSA:
		return usagef("-t is %s or %s, not %q", keygen.Ed25519, keygen.RSA, f.kind)
	case !cmd.Flags().Changed("bits"):
		return nil
	case f.kind == keygen.Ed25519 && f.bits != 256:
		return usagef("an ed25519 key has 256 bits, not %d", f.bits)
	case f.kind == keygen.RSA && (f.bits < keys.MinRSABits || f.bits > keys.MaxRSABits):
		return usagef("an RSA key has %d to %d bits here, not %d", keys.MinRSABits, keys.MaxRSABits, f.bits)
	}
	return nil
}

// keygenFleet makes keys until all are there or ctx ends.
func (a *app) keygenFleet(ctx context.Context, f *keygenFlags, passphrase []byte) error {
	bar := progressbar.NewOptions(f.count, progressbar.OptionSetVisibility(!f.quiet && isTerminal(a.err)),
		progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription("making keys"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	made, err := keygen.MakeFleet(ctx, keygen.Fleet{
		Dir: f.out, Count: f.count, Name: f.name, Kind: f.kind, Bits: f.bits, Passphrase: passphrase,
		Done: func() { bar.Add(1) },
	})
	bar.Finish()
	manifest := filepath.Join(f.out, keygen.ManifestName)
	switch {
	case errors.Is(err, context.Canceled):
		return withHint(fmt.Errorf("ended after %s new keys", humanize.Comma(int64(made))), "the same command goes on; %s lists those that are there", manifest)
	case errors.Is(err, keygen.ErrFleetPassphrase):
		return withHint(err, "go on with the passphrase of those keys, or give --out another directory or --name another name")
	case err != nil:
		return err
	}
	if !f.quiet {
		fmt.Fprintf(a.err, "%s keys in %s, listed in %s\n", humanize.Comma(int64(f.count)), escapeLine(f.out), escapeLine(manifest))
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, made)
		return err
	})
}

func (a *app) keygenPassphrase(cmd *cobra.Command, f *keygenFlags) ([]byte, error) {
	given, file := cmd.Flags().Changed("passphrase"), cmd.Flags().Changed("passphrase-file")
	switch {
	case given && file:
		return nil, usagef("-N and --passphrase-file exclude each other")
	case given:
		return []byte(f.passphrase), nil
	case file:
		return a.passphraseFromFile(a.keyAccess)
	}
	return a.newPassphrase(cmd.Context())
}

func defaultComment() string {
	host, err := os.Hostname()
	u, uerr := user.Current()
	if err != nil || uerr != nil {
		return ""
	}
	return u.Username + "@" + host
}
