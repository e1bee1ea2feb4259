package main

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// service NAME COMMAND… starts a program in the background and sets NAME_URL to the
// first line that it prints. stopnode, killnode and nodelog take its name.
func cmdService(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: service NAME COMMAND...")
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	n := &nodeProcess{cmd: exec.Command(path, args[2:]...), stderr: &lockedBuffer{}, waited: make(chan struct{})}
	n.cmd.Dir, n.cmd.Env, n.cmd.Stderr = ts.MkAbs("."), scriptEnv(ts), n.stderr
	stdout, err := n.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(n.cmd.Start())
	first := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		line, _ := r.ReadString('\n')
		first <- strings.TrimSuffix(line, "\n")
		io.Copy(io.Discard, r)
		n.err = n.cmd.Wait()
		close(n.waited)
	}()
	url := ""
	select {
	case url = <-first:
	case <-time.After(patience):
	}
	if url == "" {
		n.cmd.Process.Kill()
		<-n.waited
		ts.Fatalf("it printed nothing:\n%s", n.stderr)
	}
	addNode(ts, args[0], n)
	ts.Setenv(args[0]+"_URL", url)
}
