package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// The race detector keeps every process that ends for a second.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"hearsay": main, "forge": hostile(forge), "liar": hostile(liar)})
}

// patience bounds every wait for something that another process does.
const patience = 30 * time.Second

func TestScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the scripts use signals and modes of files")
	}
	keyFiles, err := filepath.Abs("../../testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	withNPM(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("KEYS", keyFiles)
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("NODE_PATH", os.Getenv("NODE_PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "share"))
			// The path of a Unix socket is short, a test's directory is not.
			runtimeDir, err := os.MkdirTemp("", "hs")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(runtimeDir) })
			e.Setenv("XDG_RUNTIME_DIR", runtimeDir)
			e.Values[nodesKey{}] = map[string]*nodeProcess{}
			e.Values[followsKey{}] = map[string]*follower{}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "npm":
				return npmModules() != "", nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"node":       cmdNode,
			"service":    cmdService,
			"lying":      cmdLying,
			"stopnode":   cmdStopNode,
			"killnode":   cmdKillNode,
			"nodelog":    cmdNodeLog,
			"eventually": cmdEventually,
			"exits":      cmdExits,
			"follow":     cmdFollow,
			"followed":   cmdFollowed,
			"unfollow":   cmdUnfollow,
			"outenv":     cmdOutEnv,
			"corrupt":    cmdCorrupt,
			"cutfile":    cmdCutFile,
			"mode":       cmdMode,
			"httpget":    cmdHTTPGet,
		},
	})
}

type nodesKey struct{}

// nodeProcess is a node or a relay in the background.
type nodeProcess struct {
	cmd          *exec.Cmd
	id, join     string
	stderr       *lockedBuffer
	waited       chan struct{}
	err          error
	listenedAddr string
}

// startNode runs hearsay with args until it has printed its id and its join line.
func startNode(dir string, env []string, args ...string) (*nodeProcess, error) {
	return startProcess("hearsay", dir, env, args...)
}

func startProcess(program, dir string, env []string, args ...string) (*nodeProcess, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	n := &nodeProcess{cmd: exec.Command(path, args...), stderr: &lockedBuffer{}, waited: make(chan struct{})}
	n.cmd.Dir, n.cmd.Env, n.cmd.Stderr = dir, env, n.stderr
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	greeted := make(chan error, 1)
	go func() {
		greeted <- n.readGreeting(stdout)
		io.Copy(io.Discard, stdout)
		n.err = n.cmd.Wait()
		close(n.waited)
	}()
	select {
	case err = <-greeted:
	case <-time.After(patience):
		err = errors.New("it printed no join line")
	}
	if err != nil {
		n.cmd.Process.Kill()
		<-n.waited
		return nil, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, n.stderr)
	}
	return n, nil
}

func (n *nodeProcess) readGreeting(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for _, line := range []*string{&n.id, &n.join} {
		if !lines.Scan() {
			return errors.New("it ended before its join line")
		}
		*line = lines.Text()
	}
	m := joinLine.FindStringSubmatch(n.join)
	if m == nil || m[1] != n.id {
		return fmt.Errorf("strange join line: %s", n.join)
	}
	n.listenedAddr = m[2]
	return nil
}

var joinLine = regexp.MustCompile(`^hearsay up --peer (Qm\w{44})@(\S+:\d+)( --topic \S|$)`)

// stop ends the node with sig and returns how it ended.
func (n *nodeProcess) stop(sig os.Signal) error {
	n.cmd.Process.Signal(sig)
	select {
	case <-n.waited:
		return n.err
	case <-time.After(patience):
		n.cmd.Process.Signal(syscall.SIGQUIT) // all goroutines, in its log
		<-n.waited
		return errors.New("it did not stop")
	}
}

// lockedBuffer is written by a process while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node NAME up|relay|mallory ARGS… starts a node and sets NAME_ID, NAME_ADDR and NAME_PEER
// (ID@ADDR). A node of that name must have been stopped.
func cmdNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: node NAME up|relay|mallory ARGS...")
	}
	n, err := startNode(ts.MkAbs("."), scriptEnv(ts), args[1:]...)
	ts.Check(err)
	addNode(ts, args[0], n)
}

// lying NAME FILE is node for the hostile relay that passes on what FILE holds.
func cmdLying(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lying NAME FILE")
	}
	n, err := startProcess("liar", ts.MkAbs("."), scriptEnv(ts), args[1])
	ts.Check(err)
	addNode(ts, args[0], n)
}

func addNode(ts *testscript.TestScript, name string, n *nodeProcess) {
	nodes := ts.Value(nodesKey{}).(map[string]*nodeProcess)
	nodes[name] = n
	ts.Defer(func() {
		n.cmd.Process.Kill()
		<-n.waited
		ts.Logf("[log of node %s]\n%s", name, n.stderr)
	})
	ts.Setenv(name+"_ID", n.id)
	ts.Setenv(name+"_ADDR", n.listenedAddr)
	ts.Setenv(name+"_PEER", n.id+"@"+n.listenedAddr)
}

func scriptEnv(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "PATH", "SSH_AUTH_SOCK"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

func namedNode(ts *testscript.TestScript, args []string) *nodeProcess {
	if len(args) == 0 {
		ts.Fatalf("want the NAME of a node")
	}
	n := ts.Value(nodesKey{}).(map[string]*nodeProcess)[args[0]]
	if n == nil {
		ts.Fatalf("no node %s", args[0])
	}
	return n
}

// stopnode NAME [INT] stops a node with a signal; it must exit with 0.
func cmdStopNode(ts *testscript.TestScript, _ bool, args []string) {
	n := namedNode(ts, args)
	sig := syscall.SIGTERM
	if arg(args, 1) == "INT" {
		sig = syscall.SIGINT
	}
	if err := n.stop(sig); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

// killnode NAME is kill -9.
func cmdKillNode(ts *testscript.TestScript, _ bool, args []string) {
	namedNode(ts, args).stop(syscall.SIGKILL)
}

// nodelog NAME PATTERN waits until a node's standard error matches.
func cmdNodeLog(ts *testscript.TestScript, neg bool, args []string) {
	n, re := namedNode(ts, args), regexp.MustCompile(`(?m)`+arg(args, 1))
	if neg {
		if re.MatchString(n.stderr.String()) {
			ts.Fatalf("%s has said %q", args[0], re)
		}
		return
	}
	if !within(patience, func() bool { return re.MatchString(n.stderr.String()) }) {
		ts.Fatalf("%s has not said %q", args[0], re)
	}
}

// within polls until cond holds.
func within(d time.Duration, cond func() bool) bool {
	for deadline := time.Now().Add(d); ; time.Sleep(20 * time.Millisecond) {
		if cond() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// eventually PATTERN COMMAND… runs a command until it succeeds and its standard output
// matches.
func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	re := regexp.MustCompile(`(?m)` + args[0])
	var out []byte
	var err error
	ok := within(patience, func() bool {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
		out, err = cmd.Output()
		return err == nil && re.Match(out)
	})
	if !ok {
		ts.Fatalf("never matched %q: %v\n%s", re, err, out)
	}
}

// exits CODE COMMAND… runs a command that must end with that code. What it prints is
// there for stdout and stderr.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Check(err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("it exits with %s", got)
	}
}

type followsKey struct{}

// follower is a command that goes on until a signal.
type follower struct {
	cmd    *exec.Cmd
	stdout lockedBuffer
}

// follow NAME COMMAND… starts a command in the background.
func cmdFollow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow NAME COMMAND...")
	}
	f := &follower{cmd: exec.Command(args[1], args[2:]...)}
	f.cmd.Dir, f.cmd.Env, f.cmd.Stdout, f.cmd.Stderr = ts.MkAbs("."), scriptEnv(ts), &f.stdout, os.Stderr
	ts.Check(f.cmd.Start())
	ts.Defer(func() {
		f.cmd.Process.Kill()
		f.cmd.Wait()
	})
	ts.Value(followsKey{}).(map[string]*follower)[args[0]] = f
}

// followed NAME PATTERN [COMMAND…] waits until what it prints matches, and meanwhile
// runs COMMAND again and again.
func cmdFollowed(ts *testscript.TestScript, neg bool, args []string) {
	f, re := ts.Value(followsKey{}).(map[string]*follower)[args[0]], regexp.MustCompile(`(?m)`+args[1])
	if neg {
		if re.MatchString(f.stdout.String()) {
			ts.Fatalf("it has printed %q", re)
		}
		return
	}
	ok := within(patience, func() bool {
		if len(args) > 2 {
			ts.Check(ts.Exec(args[2], args[3:]...))
		}
		return re.MatchString(f.stdout.String())
	})
	if !ok {
		ts.Fatalf("it has not printed %q but\n%s", re, f.stdout.String())
	}
}

// unfollow NAME interrupts it; it must exit with 0.
func cmdUnfollow(ts *testscript.TestScript, neg bool, args []string) {
	f := ts.Value(followsKey{}).(map[string]*follower)[args[0]]
	f.cmd.Process.Signal(os.Interrupt)
	ts.Check(f.cmd.Wait())
}

// outenv NAME COMMAND… sets NAME to what a command prints, without the newline.
func cmdOutEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: outenv NAME COMMAND...")
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	out, err := cmd.Output()
	ts.Check(err)
	ts.Setenv(args[0], strings.TrimSuffix(string(out), "\n"))
}

// corrupt FILE TEXT flips a bit in the last place where FILE holds TEXT.
func cmdCorrupt(ts *testscript.TestScript, neg bool, args []string) {
	data := []byte(ts.ReadFile(args[0]))
	i := bytes.LastIndex(data, []byte(args[1]))
	if neg || i < 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	data[i] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// cutfile FILE PERCENT keeps so much of FILE.
func cmdCutFile(ts *testscript.TestScript, neg bool, args []string) {
	percent := 0
	_, err := fmt.Sscan(args[1], &percent)
	ts.Check(err)
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(data)[:len(data)*percent/100], 0o600))
}

// mode FILE MODE checks the permissions of a file.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// httpget ADDR speaks HTTP to a port that does not: it must get no answer in HTTP.
func cmdHTTPGet(ts *testscript.TestScript, neg bool, args []string) {
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", args[0])
	answer, err := io.ReadAll(conn) // ends because the node closes
	if errors.Is(err, os.ErrDeadlineExceeded) || bytes.Contains(answer, []byte("HTTP/1.1 200")) {
		ts.Fatalf("the node answers %q, %v", answer, err)
	}
}
