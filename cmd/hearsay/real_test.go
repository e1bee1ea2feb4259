package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// mostFiles is how many of Go's own source files go into the map.
const mostFiles = 4000

// TestRealInput is the main job: two nodes and the relay between them, three
// processes, keys that ssh-keygen made, and data of this machine on both sides at once.
func TestRealInput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it kills with signals")
	}
	w := newWorld(t)
	ada, bob := w.sshKey("ada", "ed25519", ""), w.sshKey("bob", "rsa", "correct horse")
	packages, files := packageLines(t), fileLines(t)

	relay := w.start("relay", "--data", "relay", "--open", "--listen", "127.0.0.1:0")
	upAda := []string{"up", "--data", "ada", "--key", ada, "--peer", relay.id + "@" + relay.listenedAddr, "--listen", "127.0.0.1:0"}
	a := w.start(upAda...)
	w.start("up", "--data", "bob", "--key", bob, "--passphrase-file", w.file("pass", []byte("correct horse\n")),
		"--peer", relay.id+"@"+relay.listenedAddr, "--listen", "127.0.0.1:0")
	w.hearsay("trust", "--data", "ada", bob+".pub")
	w.hearsay("trust", "--data", "bob", ada+".pub")

	// Both load at once; the relay dies while they do, and comes again.
	var loads sync.WaitGroup
	begun := make(chan struct{})
	loads.Go(func() { w.load("ada", packages, nil) })
	loads.Go(func() { w.load("bob", files, sync.OnceFunc(func() { close(begun) })) })
	<-begun
	relay.stop(syscall.SIGKILL)
	loads.Wait()
	w.start("relay", "--data", "relay", "--open", "--listen", relay.listenedAddr)
	w.converge("ada", "bob", append(packages, files...))

	// A node dies in the middle of a load: every line that was acknowledged is there.
	acknowledged := w.loadUntilKilled("ada", a)
	w.start(upAda...)
	held := w.values("ada")
	for i := range acknowledged {
		if key, value := crashLine(i); held[key] != value {
			t.Fatalf("line %d of %d acknowledged: %q is %q, want %q", i+1, acknowledged, key, held[key], value)
		}
	}
	t.Logf("%d packages, %d files, %d lines before the crash", len(packages), len(files), acknowledged)
	w.hearsay("set", "--data", "ada", "after", "crash") // its store is the one that wrote last
	if !within(patience, func() bool { return w.values("bob")["after"] == "crash" }) {
		t.Fatal("what was written after the crash does not arrive")
	}
	if w.dump("ada") != w.dump("bob") {
		t.Error("the dumps differ after the crash")
	}
}

// world is a directory in which processes run.
type world struct {
	t   *testing.T
	dir string
	env []string
}

func newWorld(t *testing.T) *world {
	run, err := os.MkdirTemp("", "hs") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	return &world{t, t.TempDir(), append(os.Environ(), "XDG_RUNTIME_DIR="+run)}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) file(name string, data []byte) string {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

// sshKey returns the path of a key that ssh-keygen made, now or, where there is none,
// earlier.
func (w *world) sshKey(name, kind, passphrase string) string {
	w.t.Helper()
	path := w.path(name + ".key")
	args := []string{"-q", "-t", kind, "-N", passphrase, "-f", path}
	if kind == "rsa" {
		args = append(args, "-b", "3072")
	}
	out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
	if err == nil {
		return path
	}
	if !errors.Is(err, exec.ErrNotFound) {
		w.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	recorded := "../../testdata/keys/" + map[string]string{"ed25519": "ed25519", "rsa": "rsa3072_passphrase"}[kind]
	for _, suffix := range []string{"", ".pub"} {
		data, err := os.ReadFile(recorded + suffix)
		if err != nil {
			w.t.Fatal(err)
		}
		w.file(name+".key"+suffix, data)
	}
	return path
}

func (w *world) start(args ...string) *nodeProcess {
	w.t.Helper()
	n, err := startNode(w.dir, w.env, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		n.stop(syscall.SIGKILL)
		if w.t.Failed() {
			w.t.Logf("hearsay %s:\n%s", strings.Join(args, " "), n.stderr)
		}
	})
	return n
}

func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command("hearsay", args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	return cmd
}

func (w *world) hearsay(args ...string) string {
	w.t.Helper()
	cmd := w.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("hearsay %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// load loads lines and checks that all are acknowledged. It may run in any goroutine.
// progress, if any, is called at each acknowledgement.
func (w *world) load(dir string, lines []string, progress func()) {
	cmd := w.command("load", "--data", dir, "--json")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	n, err := acknowledgements(cmd, func(uint64) {
		if progress != nil {
			progress()
		}
	})
	if err != nil || n != uint64(len(lines)) {
		w.t.Errorf("load on %s acknowledged %d of %d lines, %v\n%s", dir, n, len(lines), err, stderr.String())
	}
	if progress != nil {
		progress() // whoever waits for it must not wait for ever
	}
}

// acknowledgements runs a load and returns the last number that it printed.
func acknowledgements(cmd *exec.Cmd, each func(uint64)) (last uint64, err error) {
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	for lines := json.NewDecoder(stdout); ; {
		var l struct{ Acknowledged uint64 }
		if lines.Decode(&l) != nil {
			return last, cmd.Wait()
		}
		if l.Acknowledged <= last {
			err = fmt.Errorf("%d is acknowledged after %d", l.Acknowledged, last)
			return last, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		last = l.Acknowledged
		each(last)
	}
}

// loadUntilKilled loads without end, kills n in the middle, and returns how many
// lines had been acknowledged.
func (w *world) loadUntilKilled(dir string, n *nodeProcess) uint64 {
	w.t.Helper()
	cmd := w.command("load", "--data", dir, "--json")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var feeding sync.WaitGroup
	feeding.Go(func() {
		defer stdin.Close()
		out := bufio.NewWriter(stdin)
		for i := uint64(0); ; i++ {
			key, value := crashLine(i)
			if _, err := fmt.Fprintf(out, "{\"key\":%q,\"value\":%q}\n", key, value); err != nil {
				return // load is gone
			}
		}
	})
	acknowledged, err := acknowledgements(cmd, func(so uint64) {
		if so >= 2000 {
			n.cmd.Process.Kill()
		}
	})
	feeding.Wait()
	<-n.waited
	if err == nil || cmd.ProcessState.ExitCode() != exitFailed {
		w.t.Fatalf("load ended with %v after its node was killed", err)
	}
	return acknowledged
}

func crashLine(i uint64) (key, value string) {
	return fmt.Sprintf("crash/%08d", i), fmt.Sprintf("value %d", i)
}

func (w *world) dump(dir string) string { return w.hearsay("dump", "--data", dir) }

// values reads a dump.
func (w *world) values(dir string) map[string]string {
	w.t.Helper()
	values := make(map[string]string)
	for d := json.NewDecoder(strings.NewReader(w.dump(dir))); ; {
		var r struct{ Key, Value string }
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return values
		} else if err != nil {
			w.t.Fatalf("dump: %v", err)
		}
		values[r.Key] = r.Value
	}
}

// converge waits until the dumps of two nodes are the same and hold all lines.
func (w *world) converge(one, other string, lines []string) {
	w.t.Helper()
	var a, b string
	if !within(patience, func() bool {
		a, b = w.dump(one), w.dump(other)
		return a == b && strings.Count(a, "\n") >= len(lines)
	}) {
		w.t.Fatalf("%s has %d keys, %s has %d, want %d\n%s\n%s", one, strings.Count(a, "\n"), other, strings.Count(b, "\n"), len(lines),
			w.hearsay("status", "--data", one), w.hearsay("status", "--data", other))
	}
	held := w.values(one)
	for _, line := range lines {
		var r struct {
			Key   string
			Value json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		if got := held[r.Key]; got != strings.Trim(string(r.Value), `"`) {
			w.t.Fatalf("%q is %q, want %s", r.Key, got, r.Value)
		}
	}
}

// packageLines is the machine's package list, or, where there is none, Go's.
func packageLines(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("dpkg-query", "-W", "-f=${Package} ${Version}\\n").Output()
	if err != nil {
		if out, err = exec.Command("go", "list", "std").Output(); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, fmt.Sprintf(`{"key":%q,"value":%q}`, "package/"+name, version))
	}
	if len(lines) < 100 {
		t.Fatalf("only %d packages", len(lines))
	}
	return lines
}

// fileLines is Go's source files and their sizes.
func fileLines(t *testing.T) []string {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	var lines []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		lines = append(lines, fmt.Sprintf(`{"key":%q,"value":%d}`, "file/"+filepath.ToSlash(rel), info.Size()))
		if len(lines) == mostFiles {
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 1000 {
		t.Fatalf("only %d files under %s", len(lines), root)
	}
	return lines
}
