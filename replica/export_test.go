package replica

import "github.com/hearsaynet/hearsay/replica/wire"

// TestOnlyPlant plants defects, by their names.
var TestOnlyPlant = map[string]func(*Config){
	"gap skipped":       func(c *Config) { c.testOnly.gapSkipped = true },
	"clock first":       func(c *Config) { c.testOnly.clockFirst = true },
	"digest believed":   func(c *Config) { c.testOnly.digestBelieved = believe },
	"fork by arrival":   func(c *Config) { c.testOnly.forkByArrival = true },
	"first proof stays": func(c *Config) { c.testOnly.firstProofStays = true },
	"proof kept":        func(c *Config) { c.testOnly.proofKept = true },
	"proof forgotten":   func(c *Config) { c.testOnly.proofForgotten = true },
	"cut unfinished":    func(c *Config) { c.testOnly.cutUnfinished = true },
	"cut run dropped":   func(c *Config) { c.testOnly.cutRunDropped = wholeRuns },
	"tail kept":         func(c *Config) { c.testOnly.tailKept = true },
	"duplicate applied": func(c *Config) { c.testOnly.duplicateApplied = applyAgain },
	"parked early":      func(c *Config) { c.testOnly.parkedEarly = true },
	"parked forgotten":  func(c *Config) { c.testOnly.parkedForgotten = true },
	"rebuild forgets":   func(c *Config) { c.testOnly.rebuildForgets = true },
	"admission ignored": func(c *Config) { c.testOnly.admissionIgnored = true },
	"withdrawn kept":    func(c *Config) { c.testOnly.withdrawnKept = true },
	"window ignored":    func(c *Config) { c.testOnly.windowIgnored = true },
	"out forgotten":     func(c *Config) { c.testOnly.outForgotten = true },
	"signature ignored": func(c *Config) { c.testOnly.signatureIgnored = true },
	"sent first":        func(c *Config) { c.testOnly.sentFirst = true },
	"acked first":       func(c *Config) { c.testOnly.ackedFirst = true },
	"guard ignored":     func(c *Config) { c.testOnly.guardIgnored = true },
	"clock ignored":     func(c *Config) { c.testOnly.clockIgnored = true },
	"slave tells": func(c *Config) {
		c.testOnly.session = func(o *SyncConfig) { o.ReceiveOnly, o.SendClock = false, false }
	},
	"slave's clock": func(c *Config) { c.testOnly.session = func(o *SyncConfig) { o.SendClock = o.ReceiveOnly } },
	"master takes":  func(c *Config) { c.testOnly.session = func(o *SyncConfig) { o.SendOnly = false } },
	"other authors": func(c *Config) { c.testOnly.session = func(o *SyncConfig) { o.Authors = nil } },
	"mount misses":  func(c *Config) { c.testOnly.mountMisses = true },
}

// PlantLate has the model on a channel pass over what is late.
func PlantLate(c *Config, channel string) {
	c.testOnly.mounted = func(ch string, m Model) Model {
		if ch != channel {
			return m
		}
		return &hasty{Model: m}
	}
}

// hasty passes over what comes behind something newer of another author.
type hasty struct {
	Model
	newest Update
}

func (h *hasty) ApplyUpdate(u Update) (bool, error) {
	if u.Author != h.newest.Author && u.Time < h.newest.Time {
		return false, nil
	}
	h.newest = u
	return h.Model.ApplyUpdate(u)
}

func (h *hasty) Reset() {
	h.newest = Update{}
	h.Model.Reset()
}

func (h *hasty) Rebuilt() { rebuilt(h.Model) }

// WhenDecided has f called between verdicts and what is done about them.
func WhenDecided(c *Config, f func()) { c.testOnly.decided = f }

func believe(r *Replica, ref wire.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.authors[ref.Author]; a != nil && ref.Seq > a.frontier.Seq {
		a.frontier = ref
	}
}

// wholeRuns returns the last seq up to keep.Seq at which a run ends.
func wholeRuns(r *Replica, keep wire.Ref) (end uint64) {
	for run, err := range r.store.Runs(r.cfg.Topic, wire.Ref{Author: keep.Author}) {
		if err != nil || run.Last() > keep.Seq {
			break
		}
		end = run.Last()
	}
	return end
}

func applyAgain(m *models, run *wire.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range run.Entries() {
		if model := m.mounts[e.Channel]; model != nil && e.Time <= m.limit() {
			m.tell(model, run, i)
		}
	}
}
