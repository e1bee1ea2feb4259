package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestMain runs the command itself when it is asked to.
func TestMain(m *testing.M) {
	if os.Getenv("SIM_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "SIM_TEST_MAIN=1")
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	runErr := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](runErr); ok {
		code = exit.ExitCode()
	} else if runErr != nil {
		t.Fatal(runErr)
	}
	return out.String(), err.String(), code
}

func TestCommand(t *testing.T) {
	for _, test := range []struct {
		args           string
		stdout, stderr string // what they must match
		code           int
	}{
		{"-n 3", `^$`, `^3 seeds from 1, \d+ frames, .* of virtual time`, 0},
		{"-for 1ms -workers 1", `^$`, `^1 seeds from 1,`, 0},
		{"-plan -seed 4", `^seed 4: .*\n  node 0: `, `^$`, 0},
		{"-n 1 -seed 4 -keep 0,1 -trace", `op 0: .*\n(.*\n)*.*op 1: `, `^1 seeds from 4,`, 0},
		{"-n 1 -seed 4 -keep none", `^$`, `^1 seeds from 4,`, 0},
		{"-n 1 -drop 99", `^$`, `^sim: error: seed 1 has no node 99\n$`, 2},
		{"-n 1 -keep x", `^$`, `^sim: error: "x" is no number\n$`, 2},
		{"-n 1 -keep 0,999", `^$`, `^sim: error: seed 1 has no op 999\n$`, 2},
		{"-for -1s", `^$`, `^sim: error: -for is not negative`, 2},
		{"-workers 0", `^$`, `^sim: error: -for is not negative, and -workers is 1 or more`, 2},
		{"17", `^$`, `^sim: error: "17" is no flag\n$`, 2},
	} {
		stdout, stderr, code := command(t, strings.Fields(test.args)...)
		if code != test.code {
			t.Errorf("sim %s: exit code %d, want %d", test.args, code, test.code)
		}
		for _, x := range []struct{ what, got, want string }{{"stdout", stdout, test.stdout}, {"stderr", stderr, test.stderr}} {
			if !regexp.MustCompile(x.want).MatchString(x.got) {
				t.Errorf("sim %s: %s is %.200q, want a match of %s", test.args, x.what, x.got, x.want)
			}
		}
	}
}
