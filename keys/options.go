package keys

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// Option stands in front of a key in an authorized_keys or allowed_signers line.
type Option struct {
	// Name is in lower case; OpenSSH reads it in any.
	Name string
	// Value is what was in the quotes, without them; "" for an option without a value.
	Value string
	// HasValue tells name="" from name.
	HasValue bool
}

// authorizedOptions are those of sshd(8), AUTHORIZED_KEYS FILE FORMAT, and whether
// each takes a value. All say what a login may do, so they mean nothing here.
var authorizedOptions = map[string]bool{
	"agent-forwarding": false, "cert-authority": false, "command": true, "environment": true,
	"expiry-time": true, "from": true, "no-agent-forwarding": false, "no-port-forwarding": false,
	"no-pty": false, "no-user-rc": false, "no-x11-forwarding": false, "permitlisten": true,
	"permitopen": true, "port-forwarding": false, "principals": true, "pty": false,
	"no-touch-required": false, "verify-required": false, "restrict": false, "tunnel": true,
	"user-rc": false, "x11-forwarding": false,
}

// signerOptions are those of ssh-keygen(1), ALLOWED SIGNERS.
var signerOptions = map[string]bool{
	"cert-authority": false, "namespaces": true, "valid-after": true, "valid-before": true,
}

// parseOptions reads the options field of a line: name or name="value", joined by
// commas. Only known names are taken; in known they stand with whether they have a
// value.
func parseOptions(field string, known map[string]bool) ([]Option, error) {
	var options []Option
	for rest := field; ; {
		end := strings.IndexAny(rest, `,="`)
		if end < 0 {
			end = len(rest)
		}
		o := Option{Name: strings.ToLower(rest[:end])}
		rest = rest[end:]
		takesValue, ok := known[o.Name]
		if !ok {
			return nil, fmt.Errorf("%w: unknown option %q before the key", ErrMalformed, clip.Text(o.Name))
		}
		if quoted, has := strings.CutPrefix(rest, `="`); has {
			if o.Value, rest, ok = unquote(quoted); !ok {
				return nil, fmt.Errorf("%w: option %s has no closing quote", ErrMalformed, o.Name)
			}
			o.HasValue = true
		}
		if o.HasValue != takesValue {
			return nil, fmt.Errorf("%w: option %s (want %s)", ErrMalformed, o.Name, optionForm(o.Name, takesValue))
		}
		options = append(options, o)
		if rest == "" {
			return options, nil
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, fmt.Errorf("%w: after option %s there must be a comma or a blank", ErrMalformed, o.Name)
		}
	}
}

func optionForm(name string, takesValue bool) string {
	if takesValue {
		return name + `="…"`
	}
	return name + " alone"
}

// unquote reads up to the closing quote. Only \" is an escape, as in OpenSSH.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

func hasOption(options []Option, name string) bool {
	return slices.ContainsFunc(options, func(o Option) bool { return o.Name == name })
}

// cutField splits off the first field; blanks inside double quotes do not end it
// (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
func cutField(s string) (field, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return s[:i], strings.TrimLeft(s[i:], " \t")
		}
	}
	return s, ""
}
