package scuttlebutt

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// npmPeer is a process of Node.js with the npm module in it.
type npmPeer struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// modules returns the folder that npm has installed scuttlebutt into, or skips the test.
func modules(t testing.TB) (node, path string) {
	t.Helper()
	dir := os.Getenv("HEARSAY_NPM")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		dir = filepath.Join(cache, "hearsay-npm")
	}
	path = filepath.Join(dir, "node_modules")
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(path, "scuttlebutt"))
	}
	if err != nil && os.Getenv("HEARSAY_NPM") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("no live test with npm: %v (npm install --prefix %s scuttlebutt@5.6.15)", err, dir)
	}
	return node, path
}

// startNPM starts a peer; kind is model or events.
func startNPM(t testing.TB, kind, id string, secure any) *npmPeer {
	t.Helper()
	node, path := modules(t)
	args, err := json.Marshal([]any{kind, id, secure})
	if err != nil {
		t.Fatal(err)
	}
	p := &npmPeer{t: t, cmd: exec.CommandContext(t.Context(), node, "testdata/npm/peer.js", string(args))}
	p.cmd.Env = append(os.Environ(), "NODE_PATH="+path)
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = time.Minute
	in, err1 := p.cmd.StdinPipe()
	out, err2 := p.cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func (p *npmPeer) stop() {
	p.in.Close()
	p.cmd.Wait()
}

// do gives a command and reads its answer into result, unless that is nil.
func (p *npmPeer) do(command string, arg, result any) {
	p.t.Helper()
	line, err := json.Marshal([]any{command, arg})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("%s: the npm peer has ended: %v", command, err)
	}
	line, err = p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatalf("%s: the npm peer has ended: %v", command, err)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(line, result); err != nil {
		p.t.Fatalf("%s: %s: %v", command, line, err)
	}
}

// state is a model's content as state gives it.
func (p *npmPeer) state() string {
	p.t.Helper()
	var all json.RawMessage
	p.do("state", nil, &all)
	return string(all)
}

func (p *npmPeer) listen(how any) (addr string) {
	p.t.Helper()
	var port int
	p.do("listen", how, &port)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// accept has the peer connect, and returns our end.
func accept(t testing.TB, p *npmPeer, how any) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p.do("connect", map[string]any{"port": ln.Addr().(*net.TCPAddr).Port, "how": how}, nil)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
