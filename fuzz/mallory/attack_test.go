package mallory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

// rights are what shows, in each attack, that the caller does the right thing, before
// the honest relay comes. All of them end in the same state everywhere.
var rights = map[string]func(s *scene){
	"drop":      busy(func(s mallory.Stats) bool { return s.Withheld > 2 }),
	"delay":     func(s *scene) { s.has(s.caller, "second"); s.blamesNobody(s.caller) },
	"reorder":   busy(func(s mallory.Stats) bool { return s.Changed > 2 }),
	"duplicate": duplicated,
	"hang-up":   busy(func(s mallory.Stats) bool { return s.Links > 4 }),
	"mute":      muted,

	"withhold-one": func(s *scene) {
		s.write(s.upstream, "third")
		s.becomes(s.caller, s.upstream.ID(), replica.StateGap)
		s.explains(s.caller, s.upstream.ID(), 2, replica.StateGap)
		s.blamesNobody(s.caller)
	},
	"withhold-tail": func(s *scene) {
		s.write(s.upstream, "third", "fourth")
		s.becomes(s.caller, s.upstream.ID(), replica.StateBehind)
		s.explains(s.caller, s.upstream.ID(), 3, replica.StateBehind)
		s.blamesNobody(s.caller)
	},
	"old-state": oldState,
	"replay":    replayed,
	"erase": func(s *scene) {
		s.explains(s.caller, s.upstream.ID(), 1, replica.StateRefused)
		s.linked()
	},

	"corrupt-bit":    busy(func(s mallory.Stats) bool { return s.Changed > 0 }),
	"corrupt-field":  busy(func(s mallory.Stats) bool { return s.Changed > 0 }),
	"corrupt-length": busy(func(s mallory.Stats) bool { return s.Changed > 0 }),
	"bad-copy":       charged("bad signature"),

	"forge-key":      charged("bad signature"),
	"forge-unsigned": charged("bad signature"),
	"forge-high":     charged("bad signature"),
	"forge-topic":    charged("bad signature"),
	"forge-author":   charged("bad signature"),
	"forge-own":      charged("bad signature"),

	"clock-ahead":  func(s *scene) { s.has(s.caller, "second"); s.blamesNobody(s.caller); s.linked() },
	"clock-behind": func(s *scene) { s.has(s.caller, "second"); s.blamesNobody(s.caller); s.linked() },
	"clock-max":    charged("seq 9223372036854775808"),
	"clock-twice":  charged("repeat"),
	"clock-crowd": func(s *scene) {
		s.done("been closed and linked again", func(st mallory.Stats) bool { return st.Links > 3 })
		s.help()
		s.has(s.caller, "second")
		s.knowsOnly(2)
		s.blamesNobody(s.caller)
	},

	"future":     fromTheFuture,
	"past":       fromThePast,
	"equivocate": equivocated,

	"flood-authors": func(s *scene) {
		s.eventually("the crowd is there", func() bool { return len(s.status(s.caller).Authors) >= 300 })
		s.flooded()
	},
	"flood-updates": func(s *scene) {
		s.eventually("a part of the flood is there", func() bool { return s.status(s.caller).Counts.Applied > 1000 })
		s.flooded()
	},
	"flood-digests": func(s *scene) {
		s.done("asked", func(st mallory.Stats) bool { return st.Made > 300 })
		s.flooded()
	},
	"flood-lookups": func(s *scene) {
		s.done("brought strangers", func(st mallory.Stats) bool { return st.Made > 1000 })
		s.flooded()
	},
	"flood-connections": func(s *scene) {
		s.done("connected", func(st mallory.Stats) bool { return st.Made >= 1000 })
		s.goesOn()
	},
	"sybil": sybils,

	"slow-read":  func(s *scene) { s.flooded() },
	"slow-write": func(s *scene) { s.flooded() },
	"half-open": func(s *scene) {
		s.help()
		s.has(s.caller, "second")
		s.says("no Hello within 10s")
		s.blamesNobody(s.caller)
	},
	"endless": func(s *scene) {
		s.done("begun", func(st mallory.Stats) bool { return st.Changed > 0 })
		s.flooded()
	},

	"oversized":    charged("frame of 4294967295 bytes"),
	"garbage":      charged("frame type 0"),
	"unknown-type": charged("not understood"),
	"handle-remap": charged("a second Hello"),
	"chaff": func(s *scene) {
		s.done("sent it all", func(st mallory.Stats) bool { return st.Made >= 64 })
		s.flooded()
	},

	"reflect":     reflected,
	"mirror":      mirrored,
	"tls-none":    turnedAway("TLS without our extension"),
	"tls-stolen":  turnedAway("the proof in its certificate"),
	"tls-resumed": turnedAway("TLS without our extension"),
	"noise":       turnedAway("not hearsay"),
}

// early are the attacks on whoever comes from mallory's address: the honest relay must
// be there before.
var early = map[string]bool{"flood-connections": true, "sybil": true}

// TestAttack has each attack meet a node that also has, in the end, an honest relay.
func TestAttack(t *testing.T) {
	for _, a := range mallory.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			right := rights[a.Name]
			if right == nil {
				t.Fatal("nothing is said of how a replica does the right thing")
			}
			s := newScene(t, mallory.TowardCaller, a.Name, early[a.Name])
			right(s)
			s.converges()
		})
	}
}

func TestToward(t *testing.T) {
	t.Run("upstream", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, mallory.TowardUpstream, "forge-key", false)
		s.refuses(s.upstream, "bad signature")
		s.blamesNobody(s.caller)
		s.converges()
	})
	t.Run("both", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, mallory.TowardBoth, "withhold-one", false)
		s.write(s.upstream, "third")
		s.write(s.caller, "caller second", "caller third")
		s.becomes(s.caller, s.upstream.ID(), replica.StateGap)
		s.becomes(s.upstream, s.caller.ID(), replica.StateGap)
		s.converges()
	})
}

// busy writes on until mallory has done enough.
func busy(enough func(mallory.Stats) bool) func(*scene) {
	return func(s *scene) {
		n := 0
		s.done("done enough", func(st mallory.Stats) bool {
			key := "busy " + string(rune('a'+n%26))
			n++
			s.write(s.upstream, key)
			s.write(s.caller, key+" too")
			return enough(st)
		})
	}
}

// charged waits until the caller refuses mallory.
func charged(reason string) func(*scene) {
	return func(s *scene) {
		s.refuses(s.caller, reason)
		for _, p := range s.status(s.upstream).Peers {
			if p.State == node.PeerRefused {
				s.t.Errorf("upstream refuses %+v, which has only passed on what it was told", p)
			}
		}
	}
}

// linked checks that mallory has its link still.
func (s *scene) linked() {
	s.t.Helper()
	if p := s.peer(s.caller); p == nil || p.State != node.PeerLinked {
		s.t.Errorf("mallory is %+v, want it linked", p)
	}
}

// knowsOnly checks how many authors the caller knows.
func (s *scene) knowsOnly(n int) {
	s.t.Helper()
	if got := len(s.status(s.caller).Authors); got != n {
		s.t.Errorf("%d authors are known, want %d", got, n)
	}
}

func duplicated(s *scene) {
	s.write(s.upstream, "third", "fourth", "fifth")
	s.has(s.caller, "fifth")
	s.done("sent copies", func(st mallory.Stats) bool { return st.Made > 5 })
	if got := s.status(s.caller).Counts.Applied; got != 6 {
		s.t.Errorf("%d updates were applied, want each of 6 once", got)
	}
	s.blamesNobody(s.caller)
	s.linked()
}

func muted(s *scene) {
	s.done("kept something back", func(st mallory.Stats) bool { return st.Withheld > 3 })
	if st := s.status(s.caller).Sync[0]; st.Current || st.NotCurrent == "" {
		s.t.Errorf("on the word of a peer that says nothing, the topic is %+v", st)
	}
	s.blamesNobody(s.caller)
	s.help()
	s.has(s.caller, "second")
	s.linked()
}

func oldState(s *scene) {
	s.has(s.caller, "second")
	s.done("answered", func(st mallory.Stats) bool { return st.Passed > 8 })
	s.write(s.upstream, "third")
	s.eventually("the link is stale", func() bool {
		p := s.peer(s.caller)
		return p != nil && len(p.Sessions) == 1 && p.Sessions[0].State == replica.LinkStale
	})
	s.help()
	s.has(s.caller, "third")
	s.eventually("the link is behind", func() bool {
		p := s.peer(s.caller)
		return p != nil && len(p.Sessions) == 1 && p.Sessions[0].State == replica.LinkBehind
	})
	s.blamesNobody(s.caller)
}

func replayed(s *scene) {
	s.has(s.caller, "second")
	s.done("said it again", func(st mallory.Stats) bool { return st.Made > 3 })
	s.write(s.upstream, "third")
	s.has(s.caller, "third")
	if got := s.status(s.caller).Counts.Applied; got != 4 {
		s.t.Errorf("%d updates were applied, want each of 4 once", got)
	}
	s.blamesNobody(s.caller)
}

func fromTheFuture(s *scene) {
	s.eventually("three are parked", func() bool { return s.status(s.caller).Counts.Parked == 3 })
	s.write(s.caller, "first") // wins
	s.blamesNobody(s.caller)
	s.linked()
}

func fromThePast(s *scene) {
	s.eventually("another author has written", func() bool {
		return slices.ContainsFunc(s.status(s.caller).Authors, func(a replica.AuthorStatus) bool {
			return a.ID != s.caller.ID() && a.ID != s.upstream.ID() && a.Seq == 3 && a.State == replica.StateOK
		})
	})
	s.blamesNobody(s.caller)
	s.linked()
}

func equivocated(s *scene) {
	id := s.key.Public().ID()
	s.becomes(s.caller, id, replica.StateForked)
	s.becomes(s.upstream, id, replica.StateForked)
	s.explains(s.caller, id, 1, replica.StateCut)
	s.blamesNobody(s.caller)
}

// flooded checks that others go on meanwhile, and that mallory is not blamed.
func (s *scene) flooded() {
	s.t.Helper()
	s.goesOn()
	s.linked()
}

// goesOn checks that others go on meanwhile, and that nobody is blamed.
func (s *scene) goesOn() {
	s.t.Helper()
	s.help()
	s.write(s.upstream, "meanwhile")
	s.has(s.caller, "meanwhile")
	s.write(s.caller, "and back")
	s.has(s.upstream, "and back")
	s.blamesNobody(s.caller)
	s.blamesNobody(s.upstream)
}

func sybils(s *scene) {
	refused := func() (n int) {
		for _, p := range s.status(s.upstream).Peers {
			if p.State == node.PeerRefused && strings.Contains(p.Reason, "bad signature") {
				n++
			}
		}
		return n
	}
	s.eventually("five ids are refused", func() bool { return refused() >= 5 })
	if n := s.mallory.Stats().Made / 3; n > 10 {
		s.t.Errorf("%d bad signatures were taken from one address", n)
	}
	s.linkedWith(s.upstream, s.relay)
	s.linkedWith(s.caller, s.relay)
}

// says waits until the caller says that of mallory's link.
func (s *scene) says(reason string) {
	s.t.Helper()
	s.eventually("the caller says "+reason, func() bool {
		p := s.peer(s.caller)
		return p != nil && strings.Contains(p.Reason, reason)
	})
}

func reflected(s *scene) {
	s.eventually("the caller is linked", func() bool { p := s.peer(s.caller); return p != nil && p.State == node.PeerLinked })
	s.write(s.caller, "again")
	st := s.status(s.caller)
	if st.Counts.Applied != 2 || st.Write != "" {
		s.t.Errorf("%d updates were applied, want each of 2 once; writing: %q", st.Counts.Applied, st.Write)
	}
	if st.Sync[0].Current {
		s.t.Error("synced, on its own word")
	}
	s.blamesNobody(s.caller)
	s.linked()
}

func mirrored(s *scene) {
	s.eventually("the wire leads upstream", func() bool {
		p := s.peer(s.caller)
		return p != nil && p.ID != nil && *p.ID == s.upstream.ID()
	})
	s.stop()
	dir, address := s.caller.Dir(), s.caller.ListenAddrs()
	s.meet(mallory.TowardCaller, "mirror", address[0])
	if err := s.caller.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.caller = s.up("caller", node.Options{Dir: dir, Listen: address, Peers: []string{s.address}})
	s.refuses(s.caller, "is this node itself")
}

// turnedAway waits until the caller refuses a link; upstream has none either.
func turnedAway(reason string) func(*scene) {
	return func(s *scene) {
		s.refuses(s.caller, reason)
		s.done("tried both", func(st mallory.Stats) bool { return st.Made >= 2 })
		if p := s.status(s.upstream).Peers; len(p) != 0 {
			s.t.Errorf("upstream has links: %+v", p)
		}
	}
}
