package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// docAddresses are where a relay and a key server listen if a document does not say. What it
// says later about this address, or the one after --listen, is about the one that was free.
var docAddresses = map[string]string{"relay": "127.0.0.1:4427", "keyserver": "127.0.0.1:4430"}

var docListen = regexp.MustCompile(`--listen (127\.0\.0\.1:\d+)`)

// docTools are what documents use and a machine may not have.
var docTools = regexp.MustCompile(`(?:^|[|;&(])\s*(ssh-keygen|ssh-agent|ssh-add|openssl|curl|jq|node)(?:\s|$)`)

// docEnv keeps what the commands of a session have exported.
const docEnv = ".session-env"

// TestDocuments runs the console sessions of README.md and docs/*.md: each document in a
// directory of its own, with the files that it shows, each command in order, each output
// compared. What a command exports the next ones have. What staysRunning matches runs on,
// each as in a terminal of its own; "# ^C in the terminal of hearsay up --data ada" stops
// the newest that starts like that.
func TestDocuments(t *testing.T) {
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "../../README.md") {
		t.Run(filepath.Base(doc), func(t *testing.T) {
			text, err := os.ReadFile(doc)
			if err != nil {
				t.Fatal(err)
			}
			s := &session{t: t, dir: t.TempDir(), real: make(map[string]string)}
			t.Cleanup(s.stopAgent)
			for _, file := range docFiles.FindAllStringSubmatch(string(text), -1) {
				if err := os.WriteFile(filepath.Join(s.dir, file[1]), []byte(file[2]), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if filepath.Base(doc) == "from-scuttlebutt.md" {
				if withNPM(t); npmModules() == "" {
					t.Skip("scuttlebutt of npm is not installed: npm install --prefix ~/.cache/hearsay-npm scuttlebutt@5.6.15")
				}
			}
			for _, step := range consoleSteps(string(text)) {
				s.run(step)
			}
			if filepath.Base(doc) == "README.md" && s.ran < 5 {
				t.Errorf("%d commands were found in the README", s.ran)
			}
		})
	}
}

// docFiles are blocks of code with the name of a file, which are put into it.
var docFiles = regexp.MustCompile("(?s)```js ([\\w.]+)\n(.*?)```")

// step is a command and what it prints.
type step struct{ command, output string }

func consoleSteps(text string) (steps []step) {
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.TrimSpace(command)})
			} else if len(steps) > 0 {
				steps[len(steps)-1].output += line
			}
		}
	}
	return steps
}

// session runs the commands of one document.
type session struct {
	t       *testing.T
	dir     string
	real    map[string]string // by the address in the document
	running []process
	ran     int
}

type process struct {
	command string
	stop    func()
}

var (
	staysRunning = regexp.MustCompile(`^(?:hearsay (up|relay|keyserver|bridge|mallory --listen)|node \w+\.js) `)
	stopped      = regexp.MustCompile(`^# \^C in the terminal of (.+)`)
)

func (s *session) run(st step) {
	s.t.Helper()
	command := st.command
	for _, tool := range docTools.FindAllStringSubmatch(command, -1) {
		if _, err := exec.LookPath(tool[1]); err != nil {
			s.t.Skipf("%s is not installed: what comes after %d commands is not run, from %q on", tool[1], s.ran, st.command)
		}
	}
	s.ran++
	command = docListen.ReplaceAllString(command, "--listen 127.0.0.1:0")
	for address, real := range s.real {
		command = strings.ReplaceAll(command, address, real)
		st.output = strings.ReplaceAll(st.output, address, real)
	}
	if m := stopped.FindStringSubmatch(command); m != nil {
		s.stop(m[1])
		return
	}
	if staysRunning.MatchString(command) {
		address, stop := s.background(command)
		if m := docListen.FindStringSubmatch(st.command); m != nil {
			s.real[m[1]] = address
		} else if kind := staysRunning.FindStringSubmatch(command)[1]; docAddresses[kind] != "" {
			s.real[docAddresses[kind]] = address
		}
		s.running = append(s.running, process{st.command, stop})
		if st.output == "^C\n" {
			stop()
		}
		return
	}
	// What a document shows follows what it did before; a peer may need a moment.
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, err := s.shell(command)
		if err == nil && (st.output == "" || out == st.output) {
			return
		}
		if time.Now().After(deadline) || st.output == "" {
			s.t.Fatalf("$ %s\ngot %q, %v\nwant %q", command, out, err, st.output)
		}
	}
}

func (s *session) shell(command string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", s.withEnv(command+"\nstatus=$?; export -p >"+docEnv+"; exit $status"))
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, &stderr)
	}
	return stdout.String(), nil
}

// stopAgent ends an ssh-agent that a session has started and, as it failed, not ended.
func (s *session) stopAgent() {
	cmd := exec.Command("sh", "-c", s.withEnv(`test "$SSH_AGENT_PID" = "$BEFORE" || kill "$SSH_AGENT_PID"`))
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "BEFORE="+os.Getenv("SSH_AGENT_PID"))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Logf("the session's ssh-agent: %v: %s", err, out)
	}
}

// withEnv has a command begin with what those before it have exported.
func (s *session) withEnv(command string) string {
	return "if test -e " + docEnv + "; then . ./" + docEnv + "; fi\n" + command
}

// stop ends the newest process that was started by a command that starts like that.
func (s *session) stop(command string) {
	s.t.Helper()
	for _, p := range slices.Backward(s.running) {
		if strings.HasPrefix(p.command, command) {
			p.stop()
			return
		}
	}
	s.t.Fatalf("nothing runs that was started by %q", command)
}

// joinable is in what a node, a key server or a bridge prints when it is ready.
var joinable = regexp.MustCompile(`(?:--peer Qm\w+@|(?m:^)(?:http|tcp)://)(127\.0\.0\.1:\d+)\s`)

// background starts a node and waits for the line that joins it, or a key server and waits
// for its URL. stop interrupts it, as ^C
// behind the command does, and waits until it has ended.
func (s *session) background(command string) (address string, stop func()) {
	s.t.Helper()
	if !strings.Contains(command, "--listen") {
		command += " --listen 127.0.0.1:0"
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", s.withEnv("exec "+command))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir = s.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		cmd.Wait()
	})
	s.t.Cleanup(stop)
	var printed strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := out.Read(buf)
		printed.WriteString(string(buf[:n]))
		if m := joinable.FindStringSubmatch(printed.String()); m != nil {
			return m[1], stop
		}
		if err != nil {
			s.t.Fatalf("$ %s\nended: %v, after %q", command, err, printed.String())
		}
	}
}
