package events_test

import (
	"fmt"
	"testing"

	"github.com/hearsaynet/hearsay/replica/model/events"
)

func BenchmarkApply(b *testing.B) {
	for _, followers := range []int{0, 1} {
		b.Run(fmt.Sprintf("followers=%d", followers), func(b *testing.B) {
			b.ReportAllocs()
			l, model := events.Detached()
			done := make(chan struct{}, followers)
			for range followers {
				go func() {
					for range l.Follow(b.Context(), "") {
					}
					done <- struct{}{}
				}()
			}
			u := update("a", 1, 1, events.Change("name", string(make([]byte, 200))))
			for b.Loop() {
				u.Seq++
				u.Time++
				model.ApplyUpdate(u)
			}
			l.Close()
			for range followers {
				<-done
			}
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	l, model := events.Detached()
	u := update("a", 1, 1, events.Change("name", string(make([]byte, 200))))
	for i := range uint64(100_000) {
		u.Seq, u.Time = i+1, i+i%16 // nearly in order
		apply(b, model, u)
	}
	for b.Loop() {
		for range l.Replay("") {
		}
	}
}
