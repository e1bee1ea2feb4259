package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fuzz "github.com/hearsaynet/hearsay/fuzz/session"
)

// TestKeepCrash: the session that was not answered after is in a file, which --replay
// reads, and how to do that is said.
func TestKeepCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a crash")
	crash := &fuzz.Crash{Seed: 3, Session: 4, Topic: "t", Why: "gone", Steps: []fuzz.Step{{What: "raw", Bytes: []byte{1}}}}
	a := &app{}
	err := a.keepCrash(fuzzOptions{target: "127.0.0.1:1", crash: path}, crash)
	if !errors.Is(err, crash) || !strings.Contains((&app{}).hintFor(err), "--target 127.0.0.1:1 --replay '"+path+"'") {
		t.Errorf("%v, hint %q", err, (&app{}).hintFor(err))
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := fuzz.ParseCrash(file); err != nil || back.Error() != crash.Error() || len(back.Steps) != 1 {
		t.Errorf("reads back as %v, %v", back, err)
	}
	err = a.keepCrash(fuzzOptions{target: "127.0.0.1:1", crash: filepath.Join(path, "no folder")}, crash)
	if !errors.Is(err, crash) || !strings.Contains(err.Error(), "no folder") && !strings.Contains(err.Error(), "a crash") {
		t.Errorf("where nothing can be written: %v", err)
	}
}
