package keys_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

func TestParseSignerLine(t *testing.T) {
	k := recorded(t, "ed25519")
	key := k.String()
	namespaces := keys.Option{Name: "namespaces", Value: "hearsay-update,git", HasValue: true}
	for _, tt := range []struct {
		name, line string
		principals []string
		options    []keys.Option
		comment    string
	}{
		{"bare", "ada " + key, []string{"ada"}, nil, ""},
		{"comment", "ada " + key + " of ada\n", []string{"ada"}, nil, "of ada"},
		{"blanks", "  ada\t" + strings.ReplaceAll(key, " ", "  ") + "\tof ada \r\n", []string{"ada"}, nil, "of ada"},
		{"principals", "ada@example,*@b.example " + key, []string{"ada@example", "*@b.example"}, nil, ""},
		{"quoted principals", `"ada of example,bob" ` + key, []string{"ada of example", "bob"}, nil, ""},
		{"a principal like a key type", "ssh-admin@example " + key, []string{"ssh-admin@example"}, nil, ""},
		{"namespaces", `ada namespaces="hearsay-update,git" ` + key, []string{"ada"}, []keys.Option{namespaces}, ""},
		{"upper case", `ada NameSpaces="hearsay-update,git" ` + key, []string{"ada"}, []keys.Option{namespaces}, ""},
		{"all", `ada cert-authority,namespaces="hearsay-update,git",valid-after="20260101",valid-before="20270101Z" ` + key,
			[]string{"ada"}, []keys.Option{
				{Name: "cert-authority"}, namespaces,
				{Name: "valid-after", Value: "20260101", HasValue: true},
				{Name: "valid-before", Value: "20270101Z", HasValue: true},
			}, ""},
		{"escaped quote", `ada namespaces="a\"b\c" ` + key, []string{"ada"}, []keys.Option{{Name: "namespaces", Value: `a"b\c`, HasValue: true}}, ""},
	} {
		l, err := keys.ParseSignerLine(tt.line)
		if err != nil || l.Key != k || l.Comment != tt.comment || !slices.Equal(l.Principals, tt.principals) || !slices.Equal(l.Options, tt.options) {
			t.Errorf("%s: = %+v, %v", tt.name, l, err)
		}
	}
	l, err := keys.ParseSignerLine(`ada cert-authority,valid-before="2027" ` + key)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := l.Option("valid-before"); v != "2027" || !ok {
		t.Errorf("valid-before = %q, %v", v, ok)
	}
	if v, ok := l.Option("valid-after"); v != "" || ok {
		t.Errorf("valid-after = %q, %v", v, ok)
	}
}

func TestParseSignerLineRefuses(t *testing.T) {
	key := recorded(t, "ed25519").String()
	for name, tt := range map[string]struct {
		line string
		want error
	}{
		"empty":                 {"", keys.ErrMalformed},
		"principals only":       {"ada", keys.ErrMalformed},
		"no principals":         {key, keys.ErrMalformed},
		"no principals, ECDSA":  {string(readFile(t, shared, "ecdsa.pub")), keys.ErrMalformed},
		"empty principal":       {"ada,,bob " + key, keys.ErrMalformed},
		"open quote":            {`"ada ` + key, keys.ErrMalformed},
		"text behind the quote": {`"ada"x ` + key, keys.ErrMalformed},
		"escaped quote":         {`"ada\"x" ` + key, keys.ErrMalformed},
		"quote inside":          {`ada"x y" ` + key, keys.ErrMalformed},
		"two lines":             {"ada " + key + "\nbob " + key, keys.ErrMalformed},
		"two lines, comment":    {"ada " + key + " of ada\nbob " + key, keys.ErrMalformed},
		"unknown option":        {"ada no-pty " + key, keys.ErrMalformed},
		"empty option":          {"ada cert-authority,, " + key, keys.ErrMalformed},
		"comma at the end":      {"ada cert-authority, " + key, keys.ErrMalformed},
		"value missing":         {"ada namespaces " + key, keys.ErrMalformed},
		"value without quotes":  {"ada namespaces=git " + key, keys.ErrMalformed},
		"value too many":        {`ada cert-authority="x" ` + key, keys.ErrMalformed},
		"value not closed":      {`ada namespaces="git ` + key, keys.ErrMalformed},
		"text behind a value":   {`ada namespaces="git"x ` + key, keys.ErrMalformed},
		"twice":                 {`ada namespaces="git",namespaces="file" ` + key, keys.ErrMalformed},
		"two option fields":     {`ada cert-authority namespaces="git" ` + key, keys.ErrMalformed},
		"ECDSA":                 {"ada " + string(readFile(t, shared, "ecdsa.pub")), keys.ErrNotAdmitted},
		"DSA":                   {"ada " + string(readFile(t, shared, "dsa.pub")), keys.ErrNotAdmitted},
		"certificate":           {"ada " + string(readFile(t, shared, "ed25519_cert.pub")), keys.ErrNotAdmitted},
	} {
		l, err := keys.ParseSignerLine(tt.line)
		if !errors.Is(err, tt.want) || !l.Key.IsZero() || l.Principals != nil {
			t.Errorf("%s: = %+v, %v; want %v", name, l, err, tt.want)
		}
	}
	if _, err := keys.ParseSignerLine(key); err == nil || !strings.Contains(err.Error(), "no principals") {
		t.Errorf("a .pub line: %v; want to be told that the principals are missing", err)
	}
}
