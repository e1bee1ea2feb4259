package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/sign"
)

type convertFlags struct {
	to, out, comment, passphrase string
	overwrite                    bool
}

func newKeyConvertCmd(a *app) *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "convert --to FORMAT [-o OUT] FILE|-",
		Short: "Write a key in another format",
		Long: `Writes the key in FILE, private or public and in whatever format, as FORMAT:

  openssh, pkcs8, pkcs1                 a private key; OUT gets mode 0600
  pem-public, authorized-key, rfc4716   a public key, also of a private one

An encrypted key stays encrypted, with the same passphrase; -N gives it another, or a
plain one its first, and -N '' has it written in the clear.`,
		Example: `  hearsay key convert --to authorized-key -o node.pub node.pem
  hearsay key convert --to pkcs8 -o node.pem ~/.ssh/id_ed25519`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyConvert(cmd, &f, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "write it as `FORMAT`")
	fl.StringVarP(&f.out, "output", "o", "", "write it to `OUT` (default: standard output)")
	fl.BoolVar(&f.overwrite, "overwrite", false, "replace OUT if it is there")
	a.keyAccess.add(fl)
	fl.StringVarP(&f.passphrase, "passphrase", "N", "", "encrypt a private key with `PASSPHRASE`; '' is none (default: as it was)")
	fl.StringVarP(&f.comment, "comment", "C", "", "give it `COMMENT` (default: the one it has)")
	cmd.RegisterFlagCompletionFunc("to", fixed(formatNames()...))
	return cmd
}

func formatNames() []string {
	var names []string
	for _, f := range keygen.Formats() {
		names = append(names, string(f))
	}
	return names
}

func (a *app) keyConvert(cmd *cobra.Command, f *convertFlags, name string) error {
	to := keygen.Format(f.to)
	if !slices.Contains(keygen.Formats(), to) {
		return &usageError{fmt.Sprintf("--to is no format: %q", f.to), "it is one of " + strings.Join(formatNames(), ", ")}
	}
	text, err := a.readKeyFile(name)
	if err != nil {
		return err
	}
	var file []byte
	if to.IsPrivate() {
		file, err = a.convertPrivate(cmd, f, text)
	} else {
		file, err = a.convertPublic(cmd, f, text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if f.out == "" || f.out == "-" {
		return a.print(func(o *output) error {
			_, err := o.Write(file)
			return err
		})
	}
	err = keygen.WriteFile(f.out, to, file, f.overwrite)
	if errors.Is(err, fs.ErrExist) {
		return withHint(err, "--overwrite replaces it")
	}
	return err
}

func (a *app) convertPrivate(cmd *cobra.Command, f *convertFlags, text []byte) ([]byte, error) {
	var passphrase []byte // what the file is encrypted with
	open := a.openPassphrase(cmd.Context())
	if inner := open; inner != nil {
		open = func() (_ []byte, err error) {
			passphrase, err = inner()
			return passphrase, err
		}
	}
	k, err := sign.Parse(text, open)
	if err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("passphrase") {
		passphrase = []byte(f.passphrase)
	}
	comment := k.Comment()
	if cmd.Flags().Changed("comment") {
		comment = f.comment
	}
	file, err := keygen.Marshal(keygen.Format(f.to), k, comment, passphrase)
	switch {
	case errors.Is(err, keygen.ErrClear):
		return nil, withHint(err, "-N '' does so; --to pkcs8 keeps it encrypted")
	case errors.Is(err, sign.ErrNotRSA):
		return nil, withHint(err, "--to pkcs8 takes both kinds")
	}
	return file, err
}

func (a *app) convertPublic(cmd *cobra.Command, f *convertFlags, text []byte) ([]byte, error) {
	if cmd.Flags().Changed("passphrase") {
		return nil, usagef("-N goes with a private key, and %s is a public format", f.to)
	}
	k, comment, err := a.parsePublic(cmd.Context(), text)
	if err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("comment") {
		comment = f.comment
	}
	return keygen.MarshalPublic(keygen.Format(f.to), k, comment)
}
