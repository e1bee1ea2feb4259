package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// npmModules returns the folder that npm has installed scuttlebutt into: below
// $HEARSAY_NPM, or below the user's cache; "" if there is none, or no Node.js.
func npmModules() string {
	dir := os.Getenv("HEARSAY_NPM")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(cache, "hearsay-npm")
	}
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "scuttlebutt")); err != nil {
		return ""
	}
	if _, err := exec.LookPath("node"); err != nil {
		return ""
	}
	return modules
}

// withNPM has Node.js find the module in this test.
func withNPM(t *testing.T) {
	t.Helper()
	if modules := npmModules(); modules != "" {
		t.Setenv("NODE_PATH", modules)
	} else if os.Getenv("HEARSAY_NPM") != "" {
		t.Fatal("HEARSAY_NPM is set, and scuttlebutt is not installed there")
	}
}
