package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/hearsaynet/hearsay/replica/node/models"
)

// editText lets the user edit the text in an editor, and writes what was changed.
func (c call) editText(ctx context.Context) error {
	draft, err := models.TextDraft.One(ctx, c.api, *c.channel, models.None{})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hearsay-") // 0700
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(file, []byte(draft.Text), 0o600); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	err = c.runEditor(ctx, file)
	edited, rerr := os.ReadFile(file)
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	if string(edited) == draft.Text {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err == nil {
		draft.Text = string(edited)
		err = change(ctx, c, models.TextApply, draft)
	}
	if err != nil {
		return withHint(err, "what you wrote is in %s; hearsay text apply%s%s %s makes the text that, whatever others have written meanwhile",
			file, c.dataFlag(), c.channelFlag(), shellQuote(file))
	}
	return os.RemoveAll(dir)
}

// runEditor lets the user edit a file.
func (a *app) runEditor(ctx context.Context, file string) error {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	// Editors are often set with options, so it is the shell that takes it apart, as for git.
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it puts the terminal right
	err := cmd.Start()
	if err == nil {
		signal.Ignore(os.Interrupt) // it is the editor's, which has begun and does not ignore it
		err = cmd.Wait()
		if ctx.Err() == nil {
			signal.Notify(a.signals, os.Interrupt)
		} else {
			signal.Reset(os.Interrupt)
		}
	}
	if err != nil {
		return fmt.Errorf("the editor %q ended with %w: nothing is written", editor, err)
	}
	return nil
}
