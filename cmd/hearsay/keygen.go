package main

import (
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
)

type keygenFlags struct {
	file, kind, comment, passphrase string
	bits                            int
	quiet                           bool
}

func newKeygenCmd(a *app) *cobra.Command {
	var f keygenFlags
	cmd := &cobra.Command{
		Use:   "keygen -f FILE",
		Short: "Make a node key",
		Long: `Makes FILE, an OpenSSH private key of mode 0600, and FILE.pub, and prints the node
id alone. Neither file is ever overwritten. The passphrase is -N, or the first line of
--passphrase-file; otherwise a terminal is asked for it twice, and without a terminal
there is none.`,
		Example: `  hearsay keygen -f node.key
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
	cmd.MarkFlagFilename("file")
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{keygen.Ed25519, keygen.RSA}, cobra.ShellCompDirectiveNoFileComp))
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
		fmt.Fprintf(a.err, "wrote %s and %[1]s.pub\n", escape(f.file, false))
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, k.Public().ID())
		return err
	})
}

func (f *keygenFlags) check(cmd *cobra.Command) error {
	switch {
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
