package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
)

// keyFlags are where a node finds who is admitted, besides its trusted keys.
func (a *app) keyFlags(f *pflag.FlagSet, o *node.Options) {
	f.StringVar(&o.Keys.Server, "keys", "", "admit whom the key server at `URL` names, too")
	f.StringVar(&a.keysSigner, "keys-signer", "", "believe the key server's lists only if they are signed by `ID`, or by the key in a file")
	f.StringVar(&o.Keys.AllowedSigners, "allowed-signers", "", "admit whom this `FILE` names, too (ssh-keygen(1), ALLOWED SIGNERS)")
	f.StringVar(&o.Keys.Principal, "principal", "", "count only the lines of --allowed-signers whose principals match `NAME`")
}

// checkKeySources takes --keys-signer over, and says in flags what node.Open would refuse.
func (a *app) checkKeySources(ctx context.Context, o *node.Options) (err error) {
	k := &o.Keys
	if a.keysSigner != "" {
		if k.Signer, err = a.parseSigner(ctx, "--keys-signer", a.keysSigner); err != nil {
			return err
		}
	}
	switch {
	case k.Server != "" && k.Signer.IsZero():
		return &usageError{"--keys goes with --keys-signer ID", "whose lists are to be believed? \"hearsay key publish\" prints the id that has signed"}
	case k.Server == "" && !k.Signer.IsZero():
		return usagef("--keys-signer goes with --keys URL")
	case k.Principal != "" && k.AllowedSigners == "":
		return usagef("--principal goes with --allowed-signers FILE")
	case o.AnyKey && *k != (node.KeySources{}):
		return usagef("--open admits every key: --keys and --allowed-signers go without it")
	}
	return nil
}

// idVar is a node id, Qm… or SHA256:….
type idVar struct{ id *keys.NodeID }

func (v idVar) Set(s string) (err error) {
	*v.id, err = keys.ParseNodeID(s)
	return err
}

func (v idVar) String() string { return "" }

func (v idVar) Type() string { return "id" }

func checkID(s string) error {
	_, err := keys.ParseNodeID(s)
	return plain(err)
}

func checkUntil(s string) error {
	_, _, err := parseUntil(s)
	return err
}

// parseUntil reads ID=TIME, or ID= for no end.
func parseUntil(s string) (id keys.NodeID, ws keys.Windows, err error) {
	text, end, ok := strings.Cut(s, "=")
	if !ok {
		return id, nil, fmt.Errorf("%q is not ID=TIME", s)
	}
	if id, err = keys.ParseNodeID(text); err != nil {
		return id, nil, plain(err)
	}
	if end == "" {
		return id, nil, nil
	}
	end = strings.TrimSuffix(end, "Z")
	const layout = "20060102150405"
	if n := len(end); n != 8 && n != 14 {
		return id, nil, fmt.Errorf("%q is not YYYYMMDD or YYYYMMDDHHMMSS", end)
	}
	t, err := time.Parse(layout[:len(end)], end)
	if err != nil {
		return id, nil, fmt.Errorf("%q is not YYYYMMDD or YYYYMMDDHHMMSS", end)
	}
	return id, keys.Windows{{Before: t}}, nil
}

// plain drops the package from an error.
func plain(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(withoutPackage(err.Error()))
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, most)
	}
	return data, nil
}
