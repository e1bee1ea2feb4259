package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/keys/cache"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/remote"
)

// dirServer keeps what a key server said last.
const dirServer = "keyserver"

// KeySources say where a node finds who is admitted, besides the keys that Trust has
// admitted in its data directory. The zero value is nowhere else.
type KeySources struct {
	// AllowedSigners is the path of an allowed_signers file (package keys/allowed).
	AllowedSigners string `json:"allowed_signers,omitempty"`
	// Principal, if any, counts only the lines of AllowedSigners that name it.
	Principal string `json:"principal,omitempty"`
	// Server is the URL of a key server (package keys/remote), Signer the key whose lists
	// are believed.
	Server string      `json:"server,omitempty"`
	Signer keys.NodeID `json:"signer,omitzero"`
}

func (k *KeySources) check() error {
	if k.AllowedSigners != "" { // commands run in other directories
		path, err := filepath.Abs(k.AllowedSigners)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		k.AllowedSigners = path
	}
	switch {
	case k.Principal != "" && k.AllowedSigners == "":
		return errors.New("node: KeySources.Principal goes with AllowedSigners")
	case k.Server != "" && k.Signer.IsZero():
		return errors.New("node: KeySources.Server needs a Signer: whose list of admitted keys is to be believed?")
	case k.Server == "" && !k.Signer.IsZero():
		return errors.New("node: KeySources.Signer goes with a Server")
	}
	return nil
}

// openKeystore opens the directory of trusted keys and the sources beside it.
func (n *Node) openKeystore() (err error) {
	if n.trusted, err = dir.Open(n.dir.join(dirTrusted), n.log); err != nil {
		return fmt.Errorf("node: trusted keys: %w", err)
	}
	n.onClose(n.trusted.Close)
	n.sources = []openSource{{KeySource: KeySource{Kind: SourceTrusted, Where: n.dir.join(dirTrusted)}, store: n.trusted}}
	sources := n.cfg.Keys
	if sources == (KeySources{}) {
		n.keystore = n.trusted
		return nil
	}
	stores := []keys.Keystore{n.trusted}
	if path := sources.AllowedSigners; path != "" {
		file, err := allowed.Open(path, allowed.Options{Principal: sources.Principal, Log: n.log})
		if err != nil {
			return fmt.Errorf("node: allowed signers: %w", err)
		}
		n.onClose(file.Close)
		n.sources = append(n.sources, openSource{KeySource: KeySource{Kind: SourceAllowed, Where: path}, store: file})
		stores = append(stores, file)
	}
	if sources.Server != "" {
		server, err := n.openServer(sources)
		if err != nil {
			return err
		}
		n.onClose(server.Close)
		stores = append(stores, server)
	}
	all := keys.NewUnion(stores...)
	n.onClose(all.Close)
	n.keystore = all
	return nil
}

// openServer opens a key server behind a cache. An offline node asks nobody, and goes
// by what was kept.
func (n *Node) openServer(sources KeySources) (*cache.Cache, error) {
	if err := n.dir.root.Mkdir(dirServer, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("node: data directory: %w", err)
	}
	cfg := remote.Config{URL: sources.Server, Signer: sources.Signer, Dir: n.dir.join(dirServer), Log: n.log}
	if n.opts.Offline {
		cfg.Transport, cfg.Log = nowhere{}, nil
	}
	server, err := remote.Open(cfg)
	if err != nil {
		return nil, fmt.Errorf("node: key server: %w", err)
	}
	n.onClose(server.Close)
	n.sources = append(n.sources, openSource{KeySource{Kind: SourceServer, Where: sources.Server}, server, server, sources.Signer})
	return cache.New(server, cache.Config{}), nil
}

// nowhere is the network of an offline node.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errOffline }

var errOffline = errors.New("no node runs there, so nobody is asked")
