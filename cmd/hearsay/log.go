package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// levelHint is above errors: advice is printed with whatever it belongs to.
const levelHint = slog.LevelError + 4

func (a *app) hint(format string, args ...any) {
	a.log.Log(context.Background(), levelHint, fmt.Sprintf(format, args...))
}

func (a *app) warn(format string, args ...any) { a.log.Warn(fmt.Sprintf(format, args...)) }

// handler writes records as "hearsay: warning: message key=value …", one a line.
type handler struct {
	w     io.Writer
	level slog.Level
	timed bool
	attrs string // of WithAttrs, ready to be written
	group string // of WithGroup, with its dot
}

// writing keeps lines whole: handlers share their writer.
var writing sync.Mutex

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "hearsay: %s: %s", levelName(r.Level), escapeText(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(at slog.Attr) bool {
		appendAttr(&b, h.group, at)
		return true
	})
	if h.timed && r.Level < levelHint {
		fmt.Fprintf(&b, " time=%s", r.Time.UTC().Format(time.RFC3339))
	}
	b.WriteByte('\n')
	writing.Lock()
	defer writing.Unlock()
	_, err := h.w.Write(b.Bytes())
	return err
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b bytes.Buffer
	for _, at := range attrs {
		appendAttr(&b, h.group, at)
	}
	with := *h
	with.attrs += b.String()
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.group += name + "."
	}
	return &with
}

func appendAttr(b *bytes.Buffer, group string, at slog.Attr) {
	v := at.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if at.Key != "" {
			group += at.Key + "."
		}
		for _, member := range v.Group() {
			appendAttr(b, group, member)
		}
		return
	}
	if at.Key == "" || v.Any() == nil || v.String() == "" {
		return
	}
	text := escapeLine(v.String())
	if strings.ContainsAny(text, " =\"") {
		text = `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
	fmt.Fprintf(b, " %s%s=%s", group, at.Key, text)
}

func levelName(l slog.Level) string {
	switch {
	case l >= levelHint:
		return "hint"
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warning"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// escaping writes records of JSON, each with one call.
type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	if _, err := io.WriteString(e.w, escapeJSON(strings.TrimSuffix(string(p), "\n"))+"\n"); err != nil {
		return 0, err
	}
	return len(p), nil
}

// nameHint gives advice a name among slog's levels.
func nameHint(_ []string, at slog.Attr) slog.Attr {
	if l, ok := at.Value.Any().(slog.Level); ok && at.Key == slog.LevelKey && l == levelHint {
		at.Value = slog.StringValue("HINT")
	}
	return at
}
