// Package term is what signed texts about keys have in common: a version, and the time
// for which they are good.
package term

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Layout is the form of a time, which is in UTC.
const Layout = "20060102150405Z"

// Term is the version of a signed text, and when it is good.
type Term struct {
	Version         uint64
	Issued, Expires time.Time
}

// Check says what is wrong with t, if it may live for maxLife, in whole days.
func (t Term) Check(maxLife time.Duration) error {
	switch {
	case t.Version == 0 || t.Version > math.MaxInt64:
		return fmt.Errorf("version %d (1 to %d)", t.Version, math.MaxInt64)
	case !WholeSecond(t.Issued), !WholeSecond(t.Expires):
		return errors.New("a time is not in whole seconds of the years 1970 to 9999")
	case !t.Issued.Before(t.Expires):
		return errors.New("it expires before it is issued")
	case t.Expires.Sub(t.Issued) > maxLife:
		return fmt.Errorf("it lives longer than %d days", maxLife/(24*time.Hour))
	}
	return nil
}

// WholeSecond reports whether t has a text in Layout.
func WholeSecond(t time.Time) bool {
	return t.Nanosecond() == 0 && t.Unix() > 0 && t.UTC().Year() <= 9999
}

// Format returns the text of a time that is a WholeSecond.
func Format(t time.Time) string { return t.UTC().Format(Layout) }

// Lines is a text that is read line by line.
type Lines string

// Next takes the next line off, and returns it without its end and prefix, if it has that.
func (l *Lines) Next(prefix string) string {
	line, rest, _ := strings.Cut(string(*l), "\n")
	*l = Lines(rest)
	return strings.TrimPrefix(line, prefix)
}
