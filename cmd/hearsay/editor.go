package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

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
	if err = os.WriteFile(file, []byte(draft.Text), 0o600); err == nil {
		err = runEditor(ctx, file)
	}
	var edited []byte
	if err == nil {
		edited, err = os.ReadFile(file)
	}
	if err == nil && string(edited) != draft.Text {
		draft.Text = string(edited)
		if err = change(ctx, c, models.TextApply, draft); err != nil {
			return withHint(err, "what you wrote is in %s", file)
		}
	}
	os.RemoveAll(dir)
	return err
}

// runEditor lets the user edit a file.
func runEditor(ctx context.Context, file string) error {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	// Editors are often set with options, so it is the shell that takes it apart, as for git.
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the editor %q ended with %w: nothing is written", editor, err)
	}
	return nil
}
