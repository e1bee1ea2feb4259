package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/roster"
	"github.com/hearsaynet/hearsay/replica/store"
)

// The kinds of a KeySource. The texts are stable.
const (
	SourceTrusted = "trusted"
	SourceAllowed = "allowed_signers"
	SourceServer  = "server"
)

// KeySource is one place where a node finds who is admitted.
type KeySource struct {
	Kind  string `json:"kind"`
	Where string `json:"where"` // the path, or the URL of a server
	Keys  int    `json:"keys"`  // how many it admits
	// List is the one that a server's answers are taken from, nil before the first.
	List *KeyList `json:"list,omitempty"`
	// Problems say what is wrong at the moment, with file and line where there are such.
	Problems []string `json:"problems,omitempty"`
}

// KeyList is an administrator's signed list of admitted ids.
type KeyList struct {
	Version uint64      `json:"version"`
	Issued  time.Time   `json:"issued"`
	Expires time.Time   `json:"expires"`
	Signer  keys.NodeID `json:"signer"`
}

func keyList(l *roster.List, signer keys.NodeID) *KeyList {
	if l == nil {
		return nil
	}
	return &KeyList{l.Version, l.Issued, l.Expires, signer}
}

// openSource is a source that a node follows.
type openSource struct {
	KeySource
	store interface {
		keys.Lister
		Problems() []error
	}
	server *remote.Store // the same, if it is one
	signer keys.NodeID
}

// keySources says how the sources of admitted keys are.
func (n *Node) keySources(ctx context.Context) []KeySource {
	all := []KeySource{}
	if n.opts.AnyKey {
		return all
	}
	for _, s := range n.sources {
		now := s.KeySource
		if s.server != nil {
			if l := s.server.Followed(); l != nil {
				now.Keys, now.List = len(l.Entries), keyList(l, s.signer)
			}
		} else if ids, err := s.store.List(ctx); err == nil {
			now.Keys = len(ids)
		}
		for _, err := range s.store.Problems() {
			if !errors.Is(err, errOffline) {
				now.Problems = append(now.Problems, problemAt(now.Where, err))
			}
		}
		all = append(all, now)
	}
	return all
}

// problemAt is what is wrong with a source, with file and line.
func problemAt(where string, err error) string {
	f := locate(where, err)
	if f.Where == where {
		return f.What
	}
	return f.Where + ": " + f.What
}

// locate says in which file and line of a source err is.
func locate(where string, err error) store.Fault {
	if p, ok := errors.AsType[*dir.Problem](err); ok {
		return store.Fault{Where: filepath.Join(where, p.Where()), What: withoutPrefix(p.Err.Error())}
	}
	if p, ok := errors.AsType[*allowed.Problem](err); ok {
		return store.Fault{Where: fmt.Sprintf("%s:%d", where, p.Line), What: withoutPrefix(p.Err.Error())}
	}
	return store.Fault{Where: where, What: withoutPrefix(err.Error())}
}

// sourceReport is what the files of a source say, whether or not a node runs.
type sourceReport struct {
	KeySource
	admits map[keys.NodeID]bool
	faults []store.Fault
}

// reportSources looks at the sources of config.json's last run, and asks nobody.
func (d *dataDir) reportSources(ctx context.Context, k KeySources) []sourceReport {
	all := []sourceReport{reportTrusted(ctx, d.join(dirTrusted))}
	if k.AllowedSigners != "" {
		all = append(all, reportAllowed(ctx, k))
	}
	if k.Server != "" {
		all = append(all, d.reportServer(k))
	}
	for i := range all {
		r := &all[i]
		for _, f := range r.faults {
			r.Problems = append(r.Problems, strings.TrimPrefix(f.Where+": "+f.What, r.Where+": "))
		}
	}
	return all
}

func reportTrusted(ctx context.Context, path string) (r sourceReport) {
	r.KeySource = KeySource{Kind: SourceTrusted, Where: path}
	trusted, err := dir.Open(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return r
	}
	if err != nil {
		r.faults = []store.Fault{locate(path, err)}
		return r
	}
	defer trusted.Close()
	r.take(ctx, trusted, trusted.Problems())
	return r
}

func reportAllowed(ctx context.Context, k KeySources) (r sourceReport) {
	r.KeySource = KeySource{Kind: SourceAllowed, Where: k.AllowedSigners}
	file, err := allowed.Open(k.AllowedSigners, allowed.Options{Principal: k.Principal})
	if err != nil {
		r.faults = []store.Fault{locate(k.AllowedSigners, err)}
		return r
	}
	defer file.Close()
	r.take(ctx, file, file.Problems())
	return r
}

func (r *sourceReport) take(ctx context.Context, l keys.Lister, problems []error) {
	ids, err := l.List(ctx)
	if err != nil {
		problems = append(problems, err)
	}
	r.Keys, r.admits = len(ids), make(map[keys.NodeID]bool)
	for _, id := range ids {
		r.admits[id] = true
	}
	for _, err := range problems {
		r.faults = append(r.faults, locate(r.Where, err))
	}
}

func (d *dataDir) reportServer(k KeySources) (r sourceReport) {
	r.KeySource = KeySource{Kind: SourceServer, Where: k.Server}
	l, err := remote.Kept(d.join(dirServer), k.Signer)
	if err != nil {
		r.faults = []store.Fault{{Where: d.join(dirServer), What: withoutPrefix(err.Error())}}
	}
	if l == nil {
		return r
	}
	r.Keys, r.List, r.admits = len(l.Entries), keyList(l, k.Signer), make(map[keys.NodeID]bool)
	for _, e := range l.Entries {
		r.admits[e.ID] = true
	}
	return r
}

// Sources returns where the node of a data directory ("" is DefaultDir's) found who is
// admitted when it ran last, as the files say now; none if it was open to every key. It
// asks nobody, and takes no lock.
func Sources(ctx context.Context, path string) ([]KeySource, error) {
	path, err := resolveDir(path)
	if err != nil {
		return nil, err
	}
	d, err := openDir(path)
	if err != nil {
		return nil, err
	}
	defer d.close()
	c, err := d.readConfig()
	if err != nil || c.Open {
		return nil, err
	}
	var all []KeySource
	for _, r := range d.reportSources(ctx, c.Keys) {
		all = append(all, r.KeySource)
	}
	return all, nil
}
