// Package npmpeer runs peers of the npm module scuttlebutt in processes of Node.js, for
// tests and measurements against the original.
package npmpeer

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Version is the module's.
const Version = "5.6.15"

//go:embed peer.js
var script string

// Installed says where Node.js is, and in which folder npm has installed the module:
// $HEARSAY_NPM/node_modules, or that of the user's cache.
type Installed struct{ Node, Modules string }

// Find looks for the module. The error says how to install it.
func Find() (Installed, error) {
	dir := os.Getenv("HEARSAY_NPM")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return Installed{}, err
		}
		dir = filepath.Join(cache, "hearsay-npm")
	}
	i := Installed{Modules: filepath.Join(dir, "node_modules")}
	var err error
	if i.Node, err = exec.LookPath("node"); err == nil {
		_, err = os.Stat(filepath.Join(i.Modules, "scuttlebutt"))
	}
	if err != nil {
		return Installed{}, fmt.Errorf("%w (npm install --prefix %s scuttlebutt@%s)", err, dir, Version)
	}
	return i, nil
}

// Security is the module's security mode: paths of PEM files.
type Security struct {
	Private string   `json:"private"`
	Public  string   `json:"public"`
	Peers   []string `json:"peers"` // public ones, the own included
}

// Peer is one process with one peer in it.
type Peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts a peer, which is killed when ctx ends. Kind is model or events; with
// security, id is not used.
func (i Installed) Start(ctx context.Context, kind, id string, security *Security) (*Peer, error) {
	args, err := json.Marshal([]any{kind, id, security})
	if err != nil {
		return nil, err
	}
	p := &Peer{cmd: exec.CommandContext(ctx, i.Node, "-e", script, string(args))}
	p.cmd.Env = append(os.Environ(), "NODE_PATH="+i.Modules)
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = time.Minute
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// Stop ends the process.
func (p *Peer) Stop() {
	p.in.Close()
	p.cmd.Wait()
}

// Kill ends the process in the middle of what it does.
func (p *Peer) Kill() { p.cmd.Process.Kill() }

// Do gives one of the script's commands and reads its answer into result, unless that is
// nil.
func (p *Peer) Do(command string, arg, result any) error {
	line, err := json.Marshal([]any{command, arg})
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: the npm peer has ended: %w", command, err)
	}
	if line, err = p.out.ReadBytes('\n'); err != nil {
		return fmt.Errorf("%s: the npm peer has ended: %w", command, err)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(line, result)
}

// Listen has the peer listen on a port of its own; how are createStream's options, or nil.
func (p *Peer) Listen(how any) (addr string, err error) {
	var port int
	err = p.Do("listen", how, &port)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

// Connect has the peer dial a port of this machine.
func (p *Peer) Connect(port int, how any) error {
	return p.Do("connect", map[string]any{"port": port, "how": how}, nil)
}
