package allowed

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// Line is a line of an allowed_signers file.
type Line struct {
	Number int // from 1
	keys.SignerLine
	Window keys.Window
	// Local says that a time of the window was read in this machine's time zone.
	Local bool
}

// Problem says why a line admits nobody, or not what its writer may think.
type Problem struct {
	Line int // from 1
	Err  error
}

func (p *Problem) Error() string { return fmt.Sprintf("keys/allowed: line %d: %v", p.Line, p.Err) }

// Unwrap returns p.Err.
func (p *Problem) Unwrap() error { return p.Err }

// Parse reads an allowed_signers text and returns the lines that can be read, and a
// problem for each of the others. Times without a Z are read in the zone local.
func Parse(text []byte, local *time.Location) (lines []Line, problems []*Problem) {
	n := 0
	for text := range strings.Lines(string(text)) {
		n++
		text = strings.Trim(text, " \t\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		l, err := parseLine(text, local)
		if err != nil {
			problems = append(problems, &Problem{n, err})
			continue
		}
		l.Number = n
		lines = append(lines, l)
	}
	return lines, problems
}

func parseLine(text string, local *time.Location) (l Line, err error) {
	if len(text) > MaxLine {
		return l, fmt.Errorf("longer than %d bytes", MaxLine)
	}
	if l.SignerLine, err = keys.ParseSignerLine(text); err != nil {
		return l, err
	}
	for name, end := range map[string]*time.Time{"valid-after": &l.Window.After, "valid-before": &l.Window.Before} {
		value, ok := l.Option(name)
		if !ok {
			continue
		}
		var isLocal bool
		if *end, isLocal, err = parseTime(value, local); err != nil {
			return l, fmt.Errorf("%s: %w", name, err)
		}
		l.Local = l.Local || isLocal
	}
	if w := l.Window; !w.After.IsZero() && !w.Before.IsZero() && !w.After.Before(w.Before) {
		return l, errors.New("valid-before is not later than valid-after")
	}
	return l, nil
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z or UTC after it, as
// OpenSSH's parse_absolute_time does. Without Z it is the zone local's standard time,
// also in summer.
func parseTime(s string, local *time.Location) (t time.Time, isLocal bool, err error) {
	digits, utc := cutSuffixFold(s, "Z")
	if !utc {
		digits, utc = cutSuffixFold(s, "UTC")
	}
	const layout = "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		t, err = time.Parse(layout[:len(digits)], digits)
	default:
		err = errors.New("length")
	}
	if err == nil && !utc {
		t, isLocal = standardTime(t, local), true
	}
	if err != nil || t.Unix() <= 0 {
		return time.Time{}, false, fmt.Errorf("%q is no time (want YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z for UTC)", clip.Text(s))
	}
	return t.UTC(), isLocal, nil
}

func cutSuffixFold(s, suffix string) (before string, found bool) {
	n := len(s) - len(suffix)
	if n <= 0 || !strings.EqualFold(s[n:], suffix) {
		return s, false
	}
	return s[:n], true
}

// standardTime takes t, in UTC, for what a clock in zone shows that is never put
// forward in summer.
func standardTime(t time.Time, zone *time.Location) time.Time {
	shown := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
	_, offset := shown.Zone()
	if shown.IsDST() {
		if _, end := shown.ZoneBounds(); !end.IsZero() {
			_, offset = end.Zone()
		}
	}
	return t.Add(-time.Duration(offset) * time.Second)
}

// Admits reports whether l admits its key at any time to who asks for principal, "" for
// anybody.
func (l *Line) Admits(principal string) bool {
	if _, ca := l.Option("cert-authority"); ca {
		return false
	}
	if names, ok := l.Option("namespaces"); ok && !matchList(strings.Split(names, ","), Namespace) {
		return false
	}
	return principal == "" || matchList(l.Principals, principal)
}

// matchList matches s against patterns, of which one that starts with ! refuses
// (ssh_config(5), PATTERNS).
func matchList(patterns []string, s string) bool {
	matched := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if !match(p, s) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// match matches bytes, in time proportional to the product of the lengths at worst.
func match(pattern, s string) bool {
	star, retry := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			retry++
			p, i = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
