package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

func newKeyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Look at a key file"}
	group(cmd)
	asJSON := false
	show := &cobra.Command{
		Use:   "show FILE|-",
		Short: "Print a key's kind, bits, id, fingerprint and comment",
		Long: `Prints what there is to know of a public or private key file. The passphrase of an
encrypted one is not needed.`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return a.keyShow(args[0], asJSON) },
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.AddCommand(&cobra.Command{
		Use:   "id FILE|-",
		Short: "Print a key's node id",
		Long:  "Prints the node id of a public or private key file, alone.",
		Args:  takes(1, 1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.keyID(args[0]) },
	}, show)
	return cmd
}

func (a *app) keyID(name string) error {
	k, _, err := a.readPublic(name)
	if err != nil {
		return err
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, k.ID())
		return err
	})
}

func (a *app) keyShow(name string, asJSON bool) error {
	k, comment, err := a.readPublic(name)
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
			{"comment", o.line(comment)},
		})
	})
}

// kindOf is what keygen -t calls it.
func kindOf(k keys.PublicKey) string { return strings.TrimPrefix(k.Type(), "ssh-") }

// readPublic reads the public half of a public or private key file.
func (a *app) readPublic(name string) (keys.PublicKey, string, error) {
	text, err := a.readKeyFile(name)
	if err != nil {
		return keys.PublicKey{}, "", err
	}
	k, comment, err := parsePublic(text)
	if err != nil {
		return keys.PublicKey{}, "", fmt.Errorf("%s: %w", name, err)
	}
	return k, comment, nil
}

func parsePublic(text []byte) (keys.PublicKey, string, error) {
	private, err := sign.Parse(text, nil)
	switch {
	case err == nil:
		return private.Public(), private.Comment(), nil
	case errors.Is(err, sign.ErrPassphraseNeeded):
		k, err := publicHalf(text)
		return k, "", err
	case len(text) > 0 && text[0] == '-':
		return keys.PublicKey{}, "", err
	}
	return keys.ParseAuthorizedKey(text)
}

// publicHalf reads what stands in the clear in an encrypted OpenSSH file
// (PROTOCOL.key, section 1).
func publicHalf(text []byte) (keys.PublicKey, error) {
	_, err := ssh.ParseRawPrivateKey(text)
	encrypted, ok := errors.AsType[*ssh.PassphraseMissingError](err)
	if !ok || encrypted.PublicKey == nil {
		return keys.PublicKey{}, fmt.Errorf("no public half in it: %w", err)
	}
	return keys.ParsePublicKey(encrypted.PublicKey.Marshal())
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
