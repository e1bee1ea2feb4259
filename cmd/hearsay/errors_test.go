package main

import "testing"

func TestWithoutPackage(t *testing.T) {
	for msg, want := range map[string]string{
		"":                             "",
		"sign":                         "sign",
		"keygen: sign: it is damaged":  "it is damaged",
		"old.pem: sign: it is damaged": "old.pem: it is damaged",
		"node: /d: keys/dir: no key":   "/d: no key",
		"a: keys: one\nkeys: b: two":   "a: one\nb: two",
		"nothing is in ks/keys: Qm":    "nothing is in ks/keys: Qm",
		"open keys: no such file":      "open keys: no such file",
		"unknown command: keys":        "unknown command: keys",
		"one: two: three":              "one: two: three",
	} {
		if got := withoutPackage(msg); got != want {
			t.Errorf("%q becomes %q, want %q", msg, got, want)
		}
	}
}
