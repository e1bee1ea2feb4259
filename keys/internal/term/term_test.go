package term

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	from := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	day := 24 * time.Hour
	for _, tt := range []struct {
		t    Term
		says string
	}{
		{Term{1, from, from.Add(day)}, ""},
		{Term{math.MaxInt64, from, from.Add(time.Second)}, ""},
		{Term{0, from, from.Add(day)}, "version 0"},
		{Term{math.MaxInt64 + 1, from, from.Add(day)}, "version 9223372036854775808"},
		{Term{1, from.Add(1), from.Add(day)}, "whole seconds"},
		{Term{1, from, from.Add(day - 1)}, "whole seconds"},
		{Term{1, time.Unix(0, 0), time.Unix(1, 0)}, "1970"},
		{Term{1, from, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "9999"},
		{Term{1, from, from}, "expires before"},
		{Term{1, from, from.Add(day + time.Second)}, "longer than 1 days"},
	} {
		err := tt.t.Check(day)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %v, want %q", tt.t, err, tt.says)
		}
	}
}

func TestLines(t *testing.T) {
	l := Lines("a 1\nb 2\n\nc")
	for _, tt := range []struct{ prefix, want string }{{"a ", "1"}, {"x ", "b 2"}, {"", ""}, {"", "c"}, {"", ""}} {
		if got := l.Next(tt.prefix); got != tt.want {
			t.Errorf("Next(%q) = %q, want %q", tt.prefix, got, tt.want)
		}
	}
}
