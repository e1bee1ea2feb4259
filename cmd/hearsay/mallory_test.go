package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/replica/node"
)

// someAttacks are those that every go test runs between processes; HEARSAY_LONG=1 runs all
// of them. (Package mallory has them all between the nodes of one process.)
var someAttacks = []string{"hang-up", "withhold-tail", "bad-copy", "forge-key", "equivocate", "flood-authors", "sybil", "tls-stolen"}

// TestMallory puts each attack between two processes that have one honest relay besides:
// both end with the same dump, and nothing in it was made by mallory.
func TestMallory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mallory is ended by a signal")
	}
	attacks, err := exec.Command("hearsay", "mallory", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(attacks)) {
		name, _, _ := strings.Cut(line, " ")
		if os.Getenv("HEARSAY_LONG") == "" && !slices.Contains(someAttacks, name) {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attackProcesses(t, name)
		})
	}
	if ran < len(someAttacks) {
		t.Errorf("%d attacks were run, want %d or more", ran, len(someAttacks))
	}
}

// village is the processes of a test, each with its data in a directory of its name.
type village struct {
	t   *testing.T
	dir string
	env []string
}

func newVillage(t *testing.T) *village {
	t.Helper()
	runtimeDir, err := os.MkdirTemp("", "hs") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtimeDir) })
	return &village{t: t, dir: t.TempDir(), env: append(os.Environ(), "XDG_RUNTIME_DIR="+runtimeDir)}
}

// start runs a node, or a relay, until the test ends.
func (v *village) start(name, command string, args ...string) *nodeProcess {
	v.t.Helper()
	args = append([]string{command, "--data", name, "--topic", "prices", "--open", "--head-interval", "1s"}, args...)
	return v.run(name, args...)
}

func (v *village) run(name string, args ...string) *nodeProcess {
	v.t.Helper()
	n, err := startNode(v.dir, v.env, args...)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() {
		n.cmd.Process.Kill()
		<-n.waited
		if v.t.Failed() {
			v.t.Logf("[log of %s]\n%s", name, n.stderr)
		}
	})
	return n
}

// hearsay runs a command, and returns what it prints.
func (v *village) hearsay(args ...string) string {
	v.t.Helper()
	out, err := v.try(args...)
	if err != nil {
		v.t.Fatalf("hearsay %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (v *village) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "hearsay", args...)
	cmd.Dir, cmd.Env = v.dir, v.env
	out, err := cmd.Output()
	return string(out), err
}

func attackProcesses(t *testing.T, attack string) {
	v := newVillage(t)
	const any = "127.0.0.1:0"
	relay := v.start("relay", "relay", "--listen", any)
	alice := v.start("alice", "up", "--listen", any, "--peer", relay.listenedAddr)
	v.hearsay("set", "--data", "alice", "apples", "1")
	upstream, bobs := alice.listenedAddr, any
	if attack == "mirror" { // the wire is to lead back to bob
		first := v.start("bob", "up", "--listen", any)
		upstream, bobs = first.listenedAddr, first.listenedAddr
		if err := first.stop(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	v.hearsay("keygen", "-f", filepath.Join(v.dir, "key"))
	m := v.run("mallory", "mallory", "--listen", any, "--upstream", upstream, "--attack", attack, "--toward", "both", "--seed", "7", "--key", "key")
	v.start("bob", "up", "--listen", bobs, "--peer", m.listenedAddr, "--peer", relay.listenedAddr)
	if !within(patience, func() bool { return v.hasMet(m.listenedAddr) }) {
		t.Fatal("bob has not met mallory")
	}
	for i := range 3 {
		v.hearsay("set", "--data", "alice", fmt.Sprint("plums ", i), "2")
		v.hearsay("set", "--data", "bob", fmt.Sprint("pears ", i), "3")
	}
	var alices, bob string
	if !within(patience, func() bool {
		alices, bob = v.hearsay("dump", "--data", "alice"), v.hearsay("dump", "--data", "bob")
		return alices == bob && strings.Count(bob, "\n") == 7 && !strings.Contains(bob, mallory.Mark)
	}) {
		t.Fatalf("alice has\n%s\nbob has\n%s", alices, bob)
	}
	if err := m.stop(os.Interrupt); err != nil {
		t.Errorf("mallory does not stop cleanly: %v", err)
	}
	if log := m.stderr.String(); !didSomething.MatchString(log) {
		t.Errorf("mallory has done nothing:\n%s", log)
	}
}

// didSomething matches counts that are not all zero.
var didSomething = regexp.MustCompile(`mallory has ended links=\d+ .*[1-9]`)

// hasMet reports whether bob has heard something from address, or was let down by it.
func (v *village) hasMet(address string) bool {
	var s node.Status
	out, err := v.try("status", "--data", "bob", "--json")
	return err == nil && json.Unmarshal([]byte(out), &s) == nil && slices.ContainsFunc(s.Peers, func(p node.Peer) bool {
		return strings.HasSuffix(p.Address, address) && (p.BytesIn > 0 || p.Reason != "")
	})
}
