package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/server"
)

// The files of a key server's directory.
const (
	keysDir  = "keys" // ID.pub files, as package keys/dir has them
	listFile = "list" // as package roster has it
)

func newKeyserverCmd(a *app) *cobra.Command {
	listen := ""
	cmd := &cobra.Command{
		Use:   "keyserver --data DIR [--listen ADDR]",
		Short: "Hand public keys out until a signal",
		Long: `Serves, over HTTP, the public keys in DIR/keys and the signed list DIR/list of those that
are admitted, both made by "hearsay key publish", and prints its URL. A new list is served
within a second.

The server holds no secret, and nobody has to trust it: nodes believe only the list's
signer, check each key against its id, and notice a list that is old or has expired.`,
		Example: `  hearsay key publish --data ./keys --key admin.key --admit ada.pub
  hearsay keyserver --data ./keys --listen :4430
  hearsay up --keys http://keys.example:4430 --keys-signer Qm…`,
		Args:        takes(0, 0),
		Annotations: map[string]string{annotationStays: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.data == "" {
				return &usageError{"--data DIR is missing", "it is the directory that \"hearsay key publish\" fills"}
			}
			return a.keyserver(cmd.Context(), listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:4430", "listen on `ADDR`, HOST:PORT; port 0 picks one")
	return cmd
}

func (a *app) keyserver(ctx context.Context, listen string) error {
	if err := checkListen(listen); err != nil {
		return usagef("--listen: %v", err)
	}
	have, err := dir.Open(filepath.Join(a.data, keysDir), a.log)
	if errors.Is(err, fs.ErrNotExist) {
		return withHint(err, "\"hearsay key publish --data DIR --key ADMINKEY --admit PUBFILE\" makes the directory")
	}
	if err != nil {
		return err
	}
	defer have.Close()
	h := server.New(have, filepath.Join(a.data, listFile), a.log)
	defer h.Close()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	err = a.print(func(o *output) error {
		_, err := fmt.Fprintf(o, "http://%s\n", l.Addr())
		return err
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if h.List() == nil {
		a.warn("there is no list to serve yet: \"hearsay key publish\" signs one")
	}
	return server.Serve(ctx, l, h, a.log)
}
