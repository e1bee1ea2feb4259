package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

func newKeyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Look at key files and convert them"}
	group(cmd)
	asJSON := false
	show := &cobra.Command{
		Use:   "show FILE|-",
		Short: "Print a key's kind, bits, id, fingerprint and comment",
		Long: `Prints what there is to know of a public or private key file, in whatever format. An
encrypted OpenSSH file needs no passphrase, as its public half is in the clear.`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyShow(cmd.Context(), args[0], asJSON) },
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	id := &cobra.Command{
		Use:   "id FILE|-",
		Short: "Print a key's node id",
		Long:  "Prints the node id of a public or private key file, alone.",
		Args:  takes(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.keyID(cmd.Context(), args[0]) },
	}
	a.keyAccess.add(show.Flags())
	a.keyAccess.add(id.Flags())
	cmd.AddCommand(id, show, newKeyConvertCmd(a), newKeyBundleCmd(a), newKeyPublishCmd(a))
	return cmd
}

func (a *app) keyID(ctx context.Context, name string) error {
	k, _, err := a.readPublic(ctx, name)
	if err != nil {
		return err
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, k.ID())
		return err
	})
}

func (a *app) keyShow(ctx context.Context, name string, asJSON bool) error {
	k, comment, err := a.readPublic(ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(struct {
			Kind        string      `json:"kind"`
			Bits        int         `json:"bits"`
			ID          keys.NodeID `json:"id"`
			Fingerprint string      `json:"fingerprint"`
			Comment     string      `json:"comment"`
		}{kindOf(k), k.Bits(), k.ID(), k.ID().Fingerprint(), comment})
	}
	return a.print(func(o *output) error {
		return o.table([][]string{
			{"kind", kindOf(k)},
			{"bits", strconv.Itoa(k.Bits())},
			{"id", k.ID().String()},
			{"fingerprint", k.ID().Fingerprint()},
			{"comment", escapeLine(comment)},
		})
	})
}

// kindOf is what keygen -t calls it.
func kindOf(k keys.PublicKey) string { return strings.TrimPrefix(k.Type(), "ssh-") }

// readPublic reads the public half of a public or private key file.
func (a *app) readPublic(ctx context.Context, name string) (keys.PublicKey, string, error) {
	text, err := a.readKeyFile(name)
	if err != nil {
		return keys.PublicKey{}, "", err
	}
	k, comment, err := a.parsePublic(ctx, text)
	if err != nil {
		return keys.PublicKey{}, "", fmt.Errorf("%s: %w", name, err)
	}
	return k, comment, nil
}

// parsePublic asks for a passphrase only where the public half is encrypted too.
func (a *app) parsePublic(ctx context.Context, text []byte) (keys.PublicKey, string, error) {
	k, comment, err := keys.ParsePublicFile(text)
	if err == nil || !bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return k, comment, err
	}
	return sign.ParsePublic(text, a.openPassphrase(ctx))
}

func (a *app) readKeyFile(name string) ([]byte, error) {
	in, err := a.input(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, sign.MaxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > sign.MaxFileSize {
		return nil, fmt.Errorf("%s: larger than a key file can be (%d bytes)", name, sign.MaxFileSize)
	}
	return text, nil
}
