package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// docAddress stands in documents for the address of the relay of the session.
const docAddress = "127.0.0.1:4427"

// TestDocuments runs the console sessions of README.md and docs/*.md: each document in a
// directory of its own, each command in order, each output compared.
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
			s := &session{t: t, dir: t.TempDir()}
			for _, step := range consoleSteps(string(text)) {
				s.run(step)
			}
			if filepath.Base(doc) == "README.md" && s.ran < 5 {
				t.Errorf("%d commands were found in the README", s.ran)
			}
		})
	}
}

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
	t     *testing.T
	dir   string
	relay string // its real address
	ran   int
}

func (s *session) run(st step) {
	s.t.Helper()
	s.ran++
	command := strings.ReplaceAll(st.command, "--listen "+docAddress, "--listen 127.0.0.1:0")
	if s.relay != "" {
		command = strings.ReplaceAll(command, docAddress, s.relay)
	}
	if regexp.MustCompile(`^hearsay (up|relay) `).MatchString(command) {
		stop := s.background(command)
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
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", command)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, &stderr)
	}
	return stdout.String(), nil
}

// background starts a node and waits for the line that joins it. stop interrupts it, as ^C
// behind the command does, and waits until it has ended.
func (s *session) background(command string) (stop func()) {
	s.t.Helper()
	if !strings.Contains(command, "--listen") {
		command += " --listen 127.0.0.1:0"
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
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
		if m := regexp.MustCompile(`--peer Qm\w+@(127\.0\.0\.1:\d+) `).FindStringSubmatch(printed.String()); m != nil {
			if strings.HasPrefix(command, "hearsay relay") {
				s.relay = m[1]
			}
			return stop
		}
		if err != nil {
			s.t.Fatalf("$ %s\nended: %v, after %q", command, err, printed.String())
		}
	}
}
