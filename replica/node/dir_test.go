package node_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/node"
)

func TestRestart(t *testing.T) {
	dir := newDir(t)
	key, id := keyFile(t)
	a := up(t, "a", node.Options{Dir: dir, KeyFile: key, Topics: []string{"greetings"}, Force: true})
	set(t, a, "k", "v")
	if a.ID() != id {
		t.Errorf("id %v, want %v", a.ID(), id)
	}
	before := dump(t, a)
	stop(t, a)

	a = up(t, "again", node.Options{Dir: dir})
	if a.ID() != id {
		t.Errorf("id %v after the restart, want %v", a.ID(), id)
	}
	if s := status(t, a); len(s.Topics) != 1 || s.Topics[0] != "greetings" || s.Write != "" {
		t.Errorf("after the restart: %+v", s)
	}
	if got := dump(t, a); got != before {
		t.Errorf("after the restart:\n%swant\n%s", got, before)
	}
	set(t, a, "k2", "v2")
}

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(newDir(t), "deeper") // parents are made
	a := up(t, "a", node.Options{Dir: dir})
	perms := map[string]os.FileMode{
		"": os.ModeDir | 0o700, "id_ed25519": 0o600, "config.json": 0o600, "store.db": 0o600,
		"lock": 0o600, "hearsay.sock": os.ModeSocket | 0o600, "trusted": os.ModeDir | 0o700,
	}
	for name, want := range perms {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if runtime.GOOS != "windows" && info.Mode() != want {
			t.Errorf("%q has mode %v, want %v", name, info.Mode(), want)
		}
	}
	want := "hearsay up --peer " + a.ID().String() + "@" + a.ListenAddrs()[0] + " --topic default"
	if got := a.JoinLine(); got != want {
		t.Errorf("join line %q, want %q", got, want)
	}
	stop(t, a)
	if _, err := os.Lstat(filepath.Join(dir, "hearsay.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there after the stop: %v", err)
	}
}

func TestRefused(t *testing.T) {
	key, _ := keyFile(t)
	other, _ := keyFile(t)
	running := up(t, "running", node.Options{Dir: newDir(t), KeyFile: key})
	stopped := newDir(t)
	stop(t, up(t, "stopped", node.Options{Dir: stopped}))

	loose := newDir(t)
	mkdir(t, loose)
	if err := os.Chmod(loose, 0o755); err != nil {
		t.Fatal(err)
	}
	newer := newDir(t)
	mkdir(t, newer)
	write(t, filepath.Join(newer, "config.json"), `{"version": 99, "shape": "unknown"}`)
	broken := newDir(t)
	mkdir(t, broken)
	write(t, filepath.Join(broken, "config.json"), `{"version": 1, "pub`)
	file := newDir(t)
	write(t, file, "")

	tests := map[string]struct {
		o    node.Options
		is   error
		text string
	}{
		"same directory":           {o: node.Options{Dir: running.Dir()}, is: node.ErrRunning, text: running.Dir()},
		"same key":                 {o: node.Options{KeyFile: key}, is: node.ErrKeyInUse, text: running.ID().String()},
		"loose directory":          {o: node.Options{Dir: loose}, text: "chmod 700"},
		"a file":                   {o: node.Options{Dir: file}, text: "not a directory"},
		"another key":              {o: node.Options{Dir: stopped, KeyFile: other}, text: "keeps its key"},
		"newer config":             {o: node.Options{Dir: newer}, text: "newer hearsay"},
		"broken config":            {o: node.Options{Dir: broken}, text: "config.json"},
		"a relay in a node's":      {o: node.Options{Dir: stopped, Relay: true}, text: "another directory"},
		"bad topic":                {o: node.Options{Topics: []string{"a\nb"}}, text: "control"},
		"a topic twice":            {o: node.Options{Topics: []string{"a", "a"}}, text: "twice"},
		"bad peer":                 {o: node.Options{Peers: []string{"nowhere"}}, text: "HOST:PORT"},
		"port taken":               {o: node.Options{Listen: running.ListenAddrs()}, text: running.ListenAddrs()[0]},
		"offline, never set up":    {o: node.Options{Offline: true}, is: node.ErrNoNode, text: "no node in "},
		"offline, same directory":  {o: node.Options{Offline: true, Dir: running.Dir()}, is: node.ErrRunning},
		"a key that is not there":  {o: node.Options{KeyFile: filepath.Join(stopped, "nothing")}, text: "nothing"},
		"a public key for the key": {o: node.Options{KeyFile: key + ".pub"}, text: "public key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, "refused", tt.o)
			if err == nil {
				t.Fatal("started")
			}
			if tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q, want %v and %q", err, tt.is, tt.text)
			}
		})
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultPort(t *testing.T) {
	ln, err := net.Listen("tcp", node.DefaultAddress) // so that it is taken, by us or another
	if err == nil {
		defer ln.Close()
	}
	a, err := node.Open(t.Context(), node.Options{Dir: newDir(t), Log: logger(t, "a")})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a)
	host, _, err := net.SplitHostPort(a.ListenAddrs()[0])
	if err != nil || host != "127.0.0.1" || a.ListenAddrs()[0] == node.DefaultAddress {
		t.Errorf("listens on %q", a.ListenAddrs())
	}
}
