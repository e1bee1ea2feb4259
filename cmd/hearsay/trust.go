package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
)

func newTrustCmd(a *app) *cobra.Command {
	bundle, signer, force := "", "", false
	cmd := &cobra.Command{
		Use:   "trust PUBFILE|-... | --bundle FILE --signer ID",
		Short: "Admit authors by their public keys",
		Long: `Admits the author of each PUBFILE (a FILE.pub, or one public key in another form: PEM,
RFC 4716, a line of authorized_keys) and prints its id. A running node follows within a second.

With --bundle it admits all keys of a bundle that "hearsay key bundle" made, if the
administrator --signer has signed it, it has not expired, and no newer one was admitted
here before. The same bundle again does nothing: who was withdrawn stays so.`,
		Example: `  hearsay trust ada.pub
  hearsay trust --bundle fleet.signers --signer Qm…
  ssh ada@example cat .local/share/hearsay/id_ed25519.pub | hearsay trust -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("bundle") {
				return takes(0, 0)(cmd, args)
			}
			return takes(1, many)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("bundle") && bundle == "":
				return &usageError{"--bundle names no file", "it is what hearsay key bundle wrote; is a variable empty?"}
			case cmd.Flags().Changed("signer") && bundle == "":
				return &usageError{"--signer is for --bundle only", "without one, every PUBFILE is admitted, whoever has signed it"}
			case force && bundle == "":
				return usagef("--force is for --bundle only")
			case bundle != "":
				return a.trustBundle(cmd.Context(), bundle, signer, force)
			}
			return a.each(args, a.trustFile)
		},
	}
	cmd.Flags().StringVar(&bundle, "bundle", "", "admit the keys of the bundle in `FILE`, signed in FILE.sig")
	cmd.Flags().StringVar(&signer, "signer", "", "if it is signed by `ID`, or by the key in a file")
	cmd.Flags().BoolVar(&force, "force", false, "even if it has expired, or is not newer than one that was admitted")
	cmd.MarkFlagFilename("bundle")
	return cmd
}

// trustFile admits the author whose public key is in a file.
func (a *app) trustFile(o *output, name string) error {
	text, err := a.readKeyFile(name)
	if err != nil {
		return err
	}
	id, added, err := node.Trust(a.data, text)
	if err != nil && bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return withHint(fmt.Errorf("%s: it is a private key, and a public one is wanted", name),
			"its .pub file, or hearsay key convert --to authorized-key %s | hearsay trust -", shellQuote(name))
	}
	if err != nil {
		return fmt.Errorf("%s: %s", name, withoutPackage(err.Error()))
	}
	if !added {
		fmt.Fprintf(a.err, "%v was trusted already\n", id)
	}
	_, err = fmt.Fprintln(o, id)
	return err
}

func newUntrustCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "untrust ID...",
		Short: "Withdraw authors",
		Long: `Withdraws authors, by node id (Qm… or SHA256:…), and prints the ids. What they wrote
stays in the store and no longer counts. A running node follows within a second.`,
		Args: takes(1, many),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.each(args, func(o *output, text string) error {
				id, err := keys.ParseNodeID(text)
				if err != nil {
					return err
				}
				if err := node.Untrust(a.data, id); err != nil {
					return err
				}
				_, err = fmt.Fprintln(o, id)
				return err
			})
		},
	}
}

// each calls f for every argument, past those that fail.
func (a *app) each(args []string, f func(*output, string) error) error {
	return a.print(func(o *output) error {
		var all error
		for _, arg := range args {
			all = errors.Join(all, f(o, arg))
		}
		return errors.Join(all, o.Flush())
	})
}
