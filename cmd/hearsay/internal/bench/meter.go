package bench

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// meter is a clock that watches memory while it runs.
type meter struct {
	began time.Time
	base  uint64 // bytes of objects when it began
	peak  uint64
	stop  chan struct{}
	ended chan struct{}
}

// sampleEvery is how often a meter looks at the heap.
const sampleEvery = 2 * time.Millisecond

// startMeter collects garbage and starts the clock.
func startMeter() *meter {
	debug.FreeOSMemory()
	resetPeakRSS()
	m := &meter{base: heapObjects(), stop: make(chan struct{}), ended: make(chan struct{})}
	go m.watch()
	m.began = time.Now()
	return m
}

func (m *meter) watch() {
	defer close(m.ended)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		m.peak = max(m.peak, heapObjects())
		select {
		case <-tick.C:
		case <-m.stop:
			m.peak = max(m.peak, heapObjects())
			return
		}
	}
}

// end stops the clock and returns its seconds, and the memory. It may be called once.
func (m *meter) end() (seconds float64, memory Memory) {
	seconds = time.Since(m.began).Seconds()
	close(m.stop)
	<-m.ended
	return seconds, Memory{Heap: m.peak - min(m.base, m.peak), RSS: peakRSS()}
}

// rate ends the clock over n updates.
func (m *meter) rate(n int) measured {
	seconds, memory := m.end()
	return measured{rate: float64(n) / seconds, memory: memory}
}

// heapObjects returns the bytes of the objects on the heap that were not swept yet.
func heapObjects() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// heapLive returns the bytes of the objects that are in use.
func heapLive() uint64 {
	runtime.GC()
	return heapObjects()
}
