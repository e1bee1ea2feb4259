package archive

// TestOnlyKill lets go of the archive as the end of the process does: nothing more is
// written.
func (w *Writer) TestOnlyKill() {
	w.release()
	w.err, w.sick = ErrClosed, true
}

// TestOnlyUnsynced is a Config that does not wait for the disk.
var TestOnlyUnsynced = Config{testOnlyUnsynced: true}
