package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/keys/roster"
	"github.com/hearsaynet/hearsay/keys/server"
	"github.com/hearsaynet/hearsay/sign"
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

type publishFlags struct {
	key     string
	admit   []string
	remove  []string
	until   []string
	expires time.Duration
	version uint64
}

func newKeyPublishCmd(a *app) *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish --data DIR --key ADMINKEY",
		Short: "Sign the list of keys that a key server serves",
		Long: `Signs DIR/list, which admits every key in DIR/keys, with a version above the one before,
and prints the version. --admit and --withdraw add and remove keys first. With --until the
updates that a key signs after TIME count no more, and those before do.

Sign again before the list expires: nodes then neither admit nor refuse anybody until
there is a new one.`,
		Example: `  hearsay key publish --data ./keys --key admin.key --admit ada.pub --admit bob.pub
  hearsay key publish --data ./keys --key admin.key --withdraw Qm… --expires 72h`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keyPublish(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.key, "key", "", "sign with the private key in `FILE`")
	a.keyAccess.add(fl)
	fl.StringArrayVar(&f.admit, "admit", nil, "admit the key in `PUBFILE`; may be given several times")
	listVar(fl, &f.remove, "withdraw", "withdraw the key of `ID`; may be given several times", checkID)
	listVar(fl, &f.until, "until", "have `ID=TIME` count until TIME, YYYYMMDD or YYYYMMDDHHMMSS in UTC; ID= for ever", checkUntil)
	fl.DurationVar(&f.expires, "expires", 7*24*time.Hour, "the list is good for `DURATION`")
	fl.Uint64Var(&f.version, "version", 0, "give it version `N`, above the one before (default: the next)")
	cmd.MarkFlagFilename("key")
	return cmd
}

func (a *app) keyPublish(ctx context.Context, f *publishFlags) error {
	switch {
	case a.data == "":
		return &usageError{"--data DIR is missing", "it is the directory that \"hearsay keyserver\" serves"}
	case f.key == "":
		return &usageError{"--key FILE is missing", "it is the key whose lists the nodes believe (up --keys-signer)"}
	case f.expires < time.Minute || f.expires > roster.MaxLife:
		return usagef("--expires is 1m to %v, not %v", roster.MaxLife, f.expires)
	}
	admin, err := a.readPrivate(ctx, f.key)
	if err != nil {
		return err
	}
	for _, d := range []string{a.data, filepath.Join(a.data, keysDir)} {
		if err := os.Mkdir(d, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	have, err := dir.Open(filepath.Join(a.data, keysDir), a.log)
	if err != nil {
		return err
	}
	defer have.Close()
	before, err := a.oldList(admin.Public().ID())
	if err != nil {
		return err
	}
	if err := a.editKeys(ctx, have, f); err != nil {
		return err
	}
	list, err := nextList(ctx, have, before, f)
	if err != nil {
		return err
	}
	if err := a.writeList(ctx, admin, list); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "list %d of %d keys, good until %s, signed by %v\n", list.Version, len(list.Entries), list.Expires.Format(time.RFC3339), admin.Public().ID())
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, list.Version)
		return err
	})
}

// readPrivate reads the private key in a file.
func (a *app) readPrivate(ctx context.Context, path string) (*sign.PrivateKey, error) {
	k, warning, err := keygen.ReadFile(path, a.openPassphrase(ctx))
	if warning != "" {
		a.warn("%s", warning)
	}
	return k, err
}

// oldList reads the list that is served now, an empty one if there is none.
func (a *app) oldList(signer keys.NodeID) (*roster.List, error) {
	path := filepath.Join(a.data, listFile)
	signed, err := readBounded(path, roster.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return &roster.List{}, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := roster.Open(signed, signer)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", path, err), "move it away to start anew; nodes that have seen its versions refuse lower ones (--version)")
	}
	return l, nil
}

// editKeys brings DIR/keys to what the flags say.
func (a *app) editKeys(ctx context.Context, have *dir.Dir, f *publishFlags) error {
	var add []keys.PublicKey
	var comments []string
	for _, name := range f.admit {
		k, comment, err := a.readPublic(ctx, name)
		if err != nil {
			return err
		}
		add, comments = append(add, k), append(comments, comment)
	}
	if _, err := have.AddAll(add, comments); err != nil {
		return err
	}
	for _, text := range f.remove {
		id, _ := keys.ParseNodeID(text)
		if err := have.Remove(id); err != nil {
			return fmt.Errorf("%v: %w", id, err)
		}
	}
	problems := have.Problems()
	for _, p := range problems {
		a.warn("%s", withoutPackage(p.Error()))
	}
	return nil
}

// nextList admits every key there is, for the times that it had.
func nextList(ctx context.Context, have *dir.Dir, before *roster.List, f *publishFlags) (*roster.List, error) {
	windows := make(map[keys.NodeID]keys.Windows)
	for _, e := range before.Entries {
		windows[e.ID] = e.Windows
	}
	ids, err := have.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range f.until {
		id, w, err := parseUntil(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			return nil, fmt.Errorf("--until: %v has no key in %s", id, keysDir)
		}
		windows[id] = w
	}
	now := time.Now().UTC().Truncate(time.Second)
	l := &roster.List{Version: before.Version + 1, Issued: now, Expires: now.Add(f.expires.Truncate(time.Second))}
	if f.version != 0 {
		if f.version <= before.Version {
			return nil, usagef("--version %d is not above %d, that of the list before", f.version, before.Version)
		}
		l.Version = f.version
	}
	for _, id := range ids {
		l.Entries = append(l.Entries, roster.Entry{ID: id, Windows: windows[id]})
	}
	return l, nil
}

func (a *app) writeList(ctx context.Context, admin sign.Signer, l *roster.List) error {
	text, err := l.Text()
	if err != nil {
		return err
	}
	sig, err := admin.Sign(ctx, roster.Namespace, text)
	if err != nil {
		return err
	}
	signed, err := roster.Seal(text, admin.Public(), sig)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(a.data)
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.Replace(root, listFile, signed, 0o644)
}
