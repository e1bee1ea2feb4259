package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newExtractCmd(a *app) *cobra.Command {
	prefix := ""
	cmd := &cobra.Command{
		Use:   "extract AUTHOR SEQ -o PREFIX",
		Short: "Write one update so that ssh-keygen checks it",
		Long: `Writes PREFIX.header, the signed header; PREFIX.sig, the signature over it; and
PREFIX.change, the update's own bytes. The commands that check them, without hearsay, are
printed.

Where an author signed a later update for several, PREFIX.header is that one's, and
PREFIX.chain holds the headers from this update's to that one, each after its length in four
bytes, big-endian. Every header names the SHA-256 of the one before it.`,
		Example: `  hearsay extract Qm… 17 -o proof | sh`,
		Args:    takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if prefix == "" {
				return &usageError{"-o PREFIX is missing", "-o proof writes proof.header, proof.change and proof.sig"}
			}
			seq, err := parseSeq(args[1])
			if err != nil {
				return err
			}
			return a.attach(cmd.Context(), func(api node.API) error {
				return a.extract(cmd.Context(), api, args[0], seq, prefix)
			})
		},
	}
	cmd.Flags().StringVarP(&prefix, "output", "o", "", "write the files `PREFIX`.header, .change, .sig and, if needed, .chain")
	a.addTopicFlag(cmd)
	return cmd
}

func parseSeq(s string) (uint64, error) {
	seq, err := strconv.ParseUint(s, 10, 64)
	if err != nil || seq == 0 || seq > wire.MaxInteger {
		return 0, usagef("SEQ is a number from 1 on, not %q", s)
	}
	return seq, nil
}

func (a *app) extract(ctx context.Context, api node.API, name string, seq uint64, prefix string) error {
	id, err := author(ctx, api, name)
	if err != nil {
		return err
	}
	x, err := api.Extract(ctx, id, seq)
	if err != nil {
		return err
	}
	key, err := keys.ParsePublicKey(x.Key)
	if err != nil {
		return err
	}
	if err := writeExtract(prefix, x); err != nil {
		return err
	}
	return a.print(func(o *output) error { return printChecks(o, prefix, seq, key, x) })
}

func writeExtract(prefix string, x *node.Extract) error {
	chain := encodeChain(x.Chain)
	files := []struct {
		suffix string
		data   []byte
	}{{".header", x.Header}, {".change", x.Change}, {".sig", x.Sig}, {".chain", chain}}
	for _, f := range files {
		name := prefix + f.suffix
		if f.suffix == ".chain" && len(x.Chain) < 2 {
			// One of an earlier run would not belong to the other files.
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		err := writeWhole(name, func(w io.Writer) error {
			_, err := w.Write(f.data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func encodeChain(headers [][]byte) []byte {
	var b []byte
	for _, h := range headers {
		b = binary.BigEndian.AppendUint32(b, uint32(len(h)))
		b = append(b, h...)
	}
	return b
}

// printChecks writes a script that checks what was written with stock tools.
func printChecks(o *output, prefix string, seq uint64, key keys.PublicKey, x *node.Extract) error {
	allowed, header := shellQuote(prefix+".allowed"), shellQuote(prefix+".header")
	fmt.Fprintf(o, "# the author's key; its fingerprint is the author's id, %s\n", key.ID().Fingerprint())
	fmt.Fprintf(o, "echo '%v %v' > %s\n", key.ID(), key, allowed)
	fmt.Fprintf(o, "# the author signed %s\n", header)
	fmt.Fprintf(o, "ssh-keygen -Y verify -f %s -I %v -n %s -s %s < %s &&\n",
		allowed, key.ID(), wire.NamespaceUpdate, shellQuote(prefix+".sig"), header)
	own := "tail -c 32 " + header
	if n := len(x.Chain); n > 1 {
		chain := shellQuote(prefix + ".chain")
		fmt.Fprintf(o, "# that is the header of seq %d; the one of seq %d comes first in %s,\n", seq+uint64(n-1), seq, chain)
		fmt.Fprintf(o, "# and the SHA-256 of each header there stands in the next\n")
		own = fmt.Sprintf("head -c %d %s | tail -c 32", 4+len(x.Chain[0]), chain)
	}
	fmt.Fprintf(o, "# the last 32 bytes of seq %d's header are the SHA-256 of its change\n", seq)
	_, err := fmt.Fprintf(o, "printf '%%s  %%s\\n' \"$(%s | od -An -v -tx1 | tr -d ' \\n')\" %s | sha256sum -c\n",
		own, shellQuote(prefix+".change"))
	return err
}
