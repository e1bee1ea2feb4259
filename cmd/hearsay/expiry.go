package main

import (
	"time"

	"github.com/spf13/cobra"
)

// expiryFlags say when something expires.
type expiryFlags struct {
	ttl   time.Duration
	until string
	cmd   *cobra.Command
}

func (e *expiryFlags) add(cmd *cobra.Command) {
	e.cmd = cmd
	cmd.Flags().DurationVar(&e.ttl, "ttl", 0, "let the value expire after `DURATION`, such as 90s or 24h")
	cmd.Flags().StringVar(&e.until, "until", "", "let the value expire at `TIME`, such as 2027-01-31T18:00:00Z")
	cmd.MarkFlagsMutuallyExclusive("ttl", "until")
}

// time returns when it expires, zero for never.
func (e *expiryFlags) time() (time.Time, error) {
	switch {
	case e.cmd.Flags().Changed("ttl"):
		if e.ttl <= 0 {
			return time.Time{}, usagef("--ttl %v: want a duration above 0, such as 90s", e.ttl)
		}
		return time.Now().Add(e.ttl), nil
	case e.cmd.Flags().Changed("until"):
		at, err := time.Parse(time.RFC3339, e.until)
		if err != nil {
			return at, usagef("--until %q: want a date and time as in RFC 3339, such as 2027-01-31T18:00:00Z", e.until)
		}
		if !at.After(time.Now()) {
			return at, usagef("--until %s: that time has passed", e.until)
		}
		return at, nil
	}
	return time.Time{}, nil
}

// sinceTime reads --since, zero if it is not given: a time, or how long before now.
func sinceTime(since string, now time.Time) (time.Time, error) {
	if since == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(since); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return at, usagef("--since %q: want a date and time as in RFC 3339, such as 2027-01-31T18:00:00Z, or how long ago, such as 90m", since)
	}
	return at, nil
}
