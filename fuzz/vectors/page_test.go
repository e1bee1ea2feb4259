package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPageAndVectors wants a bad vector for every check on the page, of its class, and no
// vector that names another.
func TestPageAndVectors(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	class := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^[0-9]+\\. `([a-z]+\\.[a-z0-9-]+)` \\*([a-z-]+)\\*:").FindAllStringSubmatch(string(page), -1) {
		if class[m[1]] != "" {
			t.Errorf("the page has %s twice", m[1])
		}
		class[m[1]] = m[2]
	}
	if len(class) < 100 {
		t.Fatalf("%d checks were found on the page", len(class))
	}
	seen := map[string]int{}
	for name := range made() {
		names := map[string]bool{}
		f := load[struct {
			verdict
			other
		}](t, name)
		for _, v := range f.Bad {
			if class[v.Check] != v.Class {
				t.Errorf("%s: %s: refused by %s as %s; the page says %q", name, v.Name, v.Check, v.Class, class[v.Check])
			}
			if names[v.Check+v.Name] {
				t.Errorf("%s: two bad vectors for %s are called %q", name, v.Check, v.Name)
			}
			names[v.Check+v.Name] = true
			seen[v.Check]++
		}
	}
	for check := range class {
		if seen[check] == 0 {
			t.Errorf("no vector for %s", check)
		}
	}
}

// other takes the fields of any vector.
type other struct {
	Wire, Seed, Means, Bytes, Text, Key, Namespace, Message, Signature, Header, Change, Topic, Body json.RawMessage
	Certificates, Version, ALPN, Resumed, Now, Self, Want, File, Steps, Close, Topics, Start        json.RawMessage
}

// node returns the interpreter, or skips.
func node(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: Node.js is not installed, and checks the vectors without our code")
	}
	return path
}

// TestCheckerInNode has a program that shares no code with this one check the vectors, and
// itself.
func TestCheckerInNode(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), node(t), filepath.Join(vectorDir, "check.mjs"), "--self-test").CombinedOutput()
	if err != nil || bytes.Count(out, []byte(" good, ")) != len(made()) {
		t.Errorf("check.mjs: %v\n%s", err, out)
	}
}

// TestCheckerNoticesChanges alters files, and wants check.mjs to fail.
func TestCheckerNoticesChanges(t *testing.T) {
	t.Parallel()
	path := node(t)
	for _, tt := range []struct{ file, name, old, new string }{
		{"keys.json", "another class", `"class": "not-admitted"`, `"class": "malformed"`},
		{"runs.json", "another check", `"check": "run.last"`, `"check": "run.seq"`},
		{"heads.json", "another meaning", `"issued": "1800000000000000000"`, `"issued": "1800000000000000001"`},
		{"histories.json", "another frontier", `"seq": "4"`, `"seq": "3"`},
		{"links.json", "another clock", `"now": "18`, `"now": "17`},
		{"sessions.json", "another code", `"close": 3`, `"close": 2`},
		{"ids.json", "good and bad change places", `"good"`, `"bad "`},
	} {
		text, err := os.ReadFile(filepath.Join(vectorDir, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		altered := strings.Replace(string(text), tt.old, tt.new, 1)
		if tt.file == "ids.json" {
			altered = strings.NewReplacer(`"good"`, `"bad"`, `"bad"`, `"good"`).Replace(string(text))
		}
		if altered == string(text) {
			t.Errorf("%s: %s: nothing to alter", tt.file, tt.name)
		}
		at := filepath.Join(t.TempDir(), tt.file)
		if err := os.WriteFile(at, []byte(altered), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), path, filepath.Join(vectorDir, "check.mjs"), at).CombinedOutput(); err == nil {
			t.Errorf("%s: %s is not noticed:\n%s", tt.file, tt.name, out)
		}
	}
}
