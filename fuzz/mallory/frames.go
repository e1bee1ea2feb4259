package mallory

import (
	"fmt"
	"math"

	"github.com/hearsaynet/hearsay/replica/wire"
)

const closedWithReason = "the link is closed with the reason and refused for a while; no more memory than has arrived"

var frames = []Attack{
	{Name: "oversized", About: "announces a frame of 2^32-1 bytes", speak: says(announcesTooMuch), Right: closedWithReason},
	{Name: "garbage", About: "sends random bytes in place of frames", speak: says(sendsGarbage), Right: closedWithReason},
	{Name: "unknown-type", About: "sends a frame of a reserved type", speak: says(reservedType), Right: closedWithReason},
	{Name: "handle-remap", About: "says Hello again, with the topic's handle for another topic", speak: says(helloAgain),
		Right: "closed with the reason and refused for a while; what came before stays in its topic"},
	{Name: "chaff", About: fmt.Sprintf("sends %d frames of 1 MiB, of a type that may be skipped", chaffFrames), speak: sendsChaff,
		Right: "skipped; one frame's memory at a time; other links go on"},
}

// says sends one thing.
func says(what func(p *pipe, topic string, handle uint16) *message) func(*pipe) error {
	return func(p *pipe) error {
		topic, handle, err := p.subject()
		if err != nil {
			return err
		}
		return p.write(what(p, topic, handle))
	}
}

func announcesTooMuch(_ *pipe, _ string, handle uint16) *message {
	return made(wire.FrameRun, handle, make([]byte, 64<<10)).announcing(math.MaxUint32)
}

func sendsGarbage(p *pipe, _ string, _ uint16) *message {
	m := &message{raw: make([]byte, 64<<10), made: true}
	for i := range m.raw {
		m.raw[i] = byte(p.noise.Uint32())
	}
	m.raw[0] = 0 // no frame is of this type
	return m
}

func reservedType(_ *pipe, _ string, handle uint16) *message { return made(31, handle, nil) }

func helloAgain(_ *pipe, topic string, handle uint16) *message {
	h := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: handle, Topic: topic + "/other"}}}
	return made(wire.FrameHello, 0, h.Append(nil))
}

func sendsChaff(p *pipe) error {
	body := make([]byte, wire.MaxFrame)
	for range chaffFrames {
		if err := p.write(made(200, 0, body)); err != nil {
			return err
		}
	}
	return nil
}
