package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/sign/agent"
)

const (
	// quickCheck bounds the time that Doctor checks a store for; fsck checks all of it.
	quickCheck = 5 * time.Second
	// Less room than this on the disk, in bytes, is a problem, or worth a notice. A
	// store grows by whole pages and copies what it changes.
	leastRoom = 64 << 20
	smallRoom = 512 << 20
)

// directory opens the data directory. It reports whether the rest can be examined.
func (d *doctor) directory() bool {
	path := d.result.Dir
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(Problem, "directory", "there is no data directory "+path, "a node keeps its key and its store there", d.command("up")+" makes it")
		return false
	case err != nil:
		d.add(Problem, "directory", err.Error(), "", "")
		return false
	case !info.IsDir():
		d.add(Problem, "directory", path+" is not a directory", "", "name another one with --data")
		return false
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		d.add(Problem, "directory", fmt.Sprintf("%s has mode %04o", path, perm),
			"others on this machine can get at the node and its key, so nothing runs there", "chmod 700 "+shellQuote(path))
		return false
	}
	if d.dir, err = openDir(path); err != nil {
		d.add(Problem, "directory", withoutPrefix(err.Error()), "", "")
		return false
	}
	d.healthy("directory")
	return true
}

func (d *doctor) config() bool {
	c, err := d.dir.parseConfig()
	if errors.Is(err, fs.ErrNotExist) {
		d.add(Problem, "directory", "no node was ever set up in "+d.dir.path, "", d.command("up"))
		return false
	}
	if err != nil {
		d.add(Problem, "directory", d.dir.join(fileConfig)+": "+err.Error(), "the node does not start",
			"move the file away: "+d.command("up")+" --key FILE writes it anew")
		return false
	}
	d.cfg = c
	return true
}

// key looks at the key file, or asks the agent that has the key.
func (d *doctor) key(ctx context.Context) {
	want, _ := d.cfg.publicKey() // parseConfig has read it
	if d.cfg.Agent {
		if err := agent.New("", want).Check(ctx); err != nil {
			d.add(Problem, "key", withoutPrefix(err.Error()), "nothing is signed, and no link made, until the agent has it",
				"ssh-add the key that "+want.ID().Fingerprint()+" names, with the same SSH_AUTH_SOCK as the node")
			return
		}
		d.healthy("key (in the ssh-agent)")
		return
	}
	path := d.dir.keyPath(d.cfg)
	info, err := os.Stat(path)
	if err != nil {
		d.add(Problem, "key", "the key file cannot be read: "+err.Error(), "without it the node does not start",
			"put it back, or start anew with hearsay up --data NEWDIR")
		return
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		d.add(Problem, "key", fmt.Sprintf("the key file %s has mode %04o", path, perm),
			"whoever reads it writes as this node", "chmod 600 "+shellQuote(path))
	}
	k, _, err := keygen.ReadFile(path, nil)
	switch {
	case errors.Is(err, sign.ErrPassphraseNeeded):
		d.healthy("key (it needs its passphrase)")
	case err != nil:
		d.add(Problem, "key", "the key file is no use: "+withoutPrefix(err.Error()), "without it the node does not start", "put the right one back")
	case k.Public() != want:
		d.add(Problem, "key", withoutPrefix(otherKey(path, k.Public().ID(), want.ID()).Error()), "the node does not start", "put the right one back")
	case !d.has("key"):
		d.healthy("key")
	}
}

// disk looks at the room on the disk.
func (d *doctor) disk() {
	free, ok := freeSpace(d.dir.path)
	if !ok {
		return
	}
	room := humanize.Bytes(free)
	switch {
	case free < leastRoom:
		d.add(Problem, "disk", "only "+room+" are free on its disk", "updates wait until they can be stored", "make room")
	case free < smallRoom:
		d.add(Notice, "disk", "only "+room+" are free on its disk", "updates wait when none is left", "make room soon")
	default:
		d.healthy("disk (%s free)", room)
	}
}

// store opens the store that no node runs on, and checks it for a while. It reports
// whether the store can be used.
func (d *doctor) store(ctx context.Context) bool {
	there, err := d.dir.has(fileStore)
	switch {
	case err == nil && !there && d.cfg.Written:
		d.add(Problem, "store", "the store is gone: there is no "+d.dir.join(fileStore), "what it held is only at peers",
			d.command("up")+" --peer ADDR of a peer that has it")
		return false
	case err == nil && !there:
		d.healthy("store (nothing is in it yet)")
		return true
	}
	lock, err := d.dir.lock()
	if err != nil {
		d.add(Problem, "store", withoutPrefix(err.Error()), "and it does not answer: it starts, hangs, or is another program", "stop it")
		return false
	}
	defer lock.Close()
	st, err := store.OpenBolt(d.dir.join(fileStore), store.BoltOptions{})
	if err != nil {
		d.add(Problem, "store", err.Error(), "the node does not start",
			d.command("fsck")+" names every bad place; put a copy back, or move the file away and get the updates from peers again")
		return false
	}
	defer st.Close()
	return d.check(ctx, st)
}

func (d *doctor) check(ctx context.Context, st *store.Bolt) bool {
	if o := (&origin{store: st, self: d.self(), cfg: &d.cfg}); st.Moved() {
		d.add(Problem, "store", "this is not the file that wrote last: it was copied, moved or put back from a backup", "it may lack what its key wrote since", "")
	} else if topic, err := o.shrunk(); err == nil && topic != "" {
		d.add(Problem, "store", fmt.Sprintf("it has less of topic %q than it had: it was put back from a backup", topic), "it lacks what its key wrote since", "")
	}
	limited, cancel := context.WithTimeout(ctx, quickCheck)
	defer cancel()
	var faults []store.Fault
	err := st.Check(limited, func(f store.Fault) { faults = append(faults, f) })
	switch {
	case len(faults) > 0:
		d.add(Problem, "store", fmt.Sprintf("%d places are damaged, the first: %v", len(faults), &faults[0]), "what is there is lost, and the node may stop at it",
			d.command("fsck")+" names them all; put a copy back, or move the file away and get the updates from peers again")
		return false
	case limited.Err() != nil && ctx.Err() == nil:
		d.healthy("store (as far as it was checked in %v; %s checks all)", quickCheck, d.command("fsck"))
	case err != nil:
		d.add(Problem, "store", err.Error(), "", d.command("fsck"))
		return false
	case !d.has("store"):
		d.healthy("store")
	}
	return true
}
