package session

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Crash is a session after which the target gave no answer. It is an error.
type Crash struct {
	Seed    uint64
	Session int // number, from 0
	Topic   string
	Why     string
	Steps   []Step
}

func (c *Crash) Error() string {
	return fmt.Sprintf("session: after session %d of seed %d: %s", c.Session, c.Seed, c.Why)
}

// crashFormat names the file, and the number its version.
const crashFormat = "hearsay fuzz session 1"

// MaxCrashFile bounds the file of a crash, in bytes: hex has two digits a byte, and the
// rest a line for each step.
const MaxCrashFile = 16 << 20

// maxReplayWait bounds the pauses of a file, which people may write.
const maxReplayWait = time.Hour

type crashFile struct {
	Format  string      `json:"format"`
	Seed    uint64      `json:"seed"`
	Session int         `json:"session"`
	Topic   string      `json:"topic"`
	Why     string      `json:"why"`
	Steps   []crashStep `json:"steps"`
}

type crashStep struct {
	What  string `json:"what"`
	Bytes string `json:"bytes"` // hex
	Wait  int64  `json:"wait_ms,omitempty"`
}

// Marshal returns the crash as a file: JSON, the bytes in hex, a step a line.
func (c *Crash) Marshal() ([]byte, error) {
	f := crashFile{Format: crashFormat, Seed: c.Seed, Session: c.Session, Topic: c.Topic, Why: c.Why}
	for _, step := range c.Steps {
		f.Steps = append(f.Steps, crashStep{step.What, hex.EncodeToString(step.Bytes), step.Wait.Milliseconds()})
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// ParseCrash reads what Marshal wrote, or somebody by hand.
func ParseCrash(file []byte) (*Crash, error) {
	if len(file) > MaxCrashFile {
		return nil, fmt.Errorf("session: a file of %d bytes, at most %d", len(file), MaxCrashFile)
	}
	var f crashFile
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("session: not a session of hearsay fuzz: %w", err)
	}
	if f.Format != crashFormat {
		return nil, fmt.Errorf("session: not a session of hearsay fuzz: its format is %q, want %q", f.Format, crashFormat)
	}
	if d.More() {
		return nil, errors.New("session: something stands after the session")
	}
	c := &Crash{Seed: f.Seed, Session: f.Session, Topic: f.Topic, Why: f.Why}
	for i, step := range f.Steps {
		b, err := hex.DecodeString(step.Bytes)
		if err != nil {
			return nil, fmt.Errorf("session: the bytes of step %d are not hex", i)
		}
		if step.Wait < 0 || step.Wait > maxReplayWait.Milliseconds() {
			return nil, fmt.Errorf("session: step %d waits for %d ms, at most %v", i, step.Wait, maxReplayWait)
		}
		c.Steps = append(c.Steps, Step{step.What, b, time.Duration(step.Wait) * time.Millisecond})
	}
	return c, nil
}
