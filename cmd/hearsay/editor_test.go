package main

import (
	"os"
	"os/signal"
	"testing"
)

// TestEditorEnds: what interrupts the program behind an editor is told to it again.
func TestEditorEnds(t *testing.T) {
	t.Setenv("VISUAL", "")
	t.Setenv("EDITOR", "true")
	a := &app{signals: make(chan os.Signal, 1)}
	signal.Notify(a.signals, os.Interrupt)
	defer signal.Stop(a.signals)
	if err := a.runEditor(t.Context(), "any"); err != nil {
		t.Fatal(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(os.Interrupt)
	}
	if err != nil {
		t.Skip(err)
	}
	<-a.signals
}
