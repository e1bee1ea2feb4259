package modeltest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/model/modeltest"
)

// broken are the toy's defects, and the subtests that must find each.
var broken = map[string][]string{
	"last arrival":                  {"Order", "Replicas"},
	"tie by arrival":                {"Order"},
	"higher seqs only":              {"Order", "Replicas"},
	"clock":                         {"Order"},
	"local":                         {"Order", "Replicas"},
	"unsorted":                      {"Kit"},
	"kit draws nothing":             {"Kit"},
	"kit draws errors":              {"Kit"},
	"takes what it ought to refuse": {"Kit"},
	"hides what stands alone":       {"Exclusion"},
	"reset keeps all":               {"Exclusion", "Rebuild", "Admissions"},
	"reset is seen":                 {"Rebuild"},
	"reset of a reset keeps":        {"Rebuild"},
	"rebuilt of nothing keeps":      {"Rebuild", "Readers"},
	"plain reset keeps all":         {"Exclusion", "Rebuild", "Readers", "Admissions"},
	"rebuilt empties":               {"Rebuild"},
	"says that nothing changed":     {"Reports"},
	"tells no retraction":           {"Watchers"},
	"tells of replays":              {"Watchers"},
	"tells what has no effect":      {"Watchers"},
	"keeps the change":              {"Retention", "Garbage"},
	"keeps what nobody reads":       {"Garbage"},
	"writes to the change":          {"Retention"},
	"panics when empty":             {"Hostile", "Explained"},
	"errors leave a trace":          {"Hostile"},
	"errors change":                 {"Hostile"},
	"errors say nothing":            {"Hostile"},
	"takes long":                    {"Hostile"},
	"takes long when largest":       {"Hostile"},
	"panics at the hundredth":       {"Hostile"},
	"believes a length":             {"Allocation"},
}

func TestRun(t *testing.T) { modeltest.Run(t, kitOf("")) }

func TestRunWithoutRebuilt(t *testing.T) { modeltest.Run(t, kitOf("plain")) }

const inChild = "HEARSAY_MODELTEST_BROKEN"

// TestBrokenChild runs the suite on a broken model, in a process of its own.
func TestBrokenChild(t *testing.T) {
	if os.Getenv(inChild) == "" {
		t.Skip("TestBroken runs it")
	}
	for defect := range broken {
		t.Run(defect, func(t *testing.T) { modeltest.Run(t, kitOf(defect)) })
	}
}

// TestBroken: each defect is found by the subtests whose business it is.
func TestBroken(t *testing.T) {
	for defect, subtests := range broken {
		for _, subtest := range subtests {
			t.Run(defect+"/"+subtest, func(t *testing.T) {
				t.Parallel()
				fails(t, "TestBrokenChild", defect, subtest)
			})
		}
	}
}

// fails runs a subtest in a process of its own, and checks that it fails.
func fails(t *testing.T, name ...string) {
	t.Helper()
	for i := range name {
		name[i] = strings.ReplaceAll(name[i], " ", "_")
	}
	run := "^" + strings.Join(name, "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run, "-test.v", "-rapid.checks=500", "-rapid.nofailfile", "-rapid.shrinktime=0s")
	cmd.Env = append(os.Environ(), inChild+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, fmt.Appendf(nil, "--- FAIL: %s ", strings.Join(name, "/"))) {
		t.Errorf("it passed: %v\n%s", err, out)
	}
}
