package events

import (
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/timeline"
)

// value is what an event says: the length of its name in a byte, the name, and the data.
type value string

func (v value) name() string { return string(v[1:][:v[0]]) }
func (v value) data() string { return string(v[1:][v[0]:]) }

type (
	entry     = timeline.Entry[value]
	selection = timeline.Selection[value]
)

func export(e *entry) Event {
	return Event{Ref: e.Ref, Name: e.Value.name(), Data: []byte(e.Value.data()), Time: e.Time, Until: e.Until}
}

// model is the replica's side of a Log.
type model struct{ line *timeline.Line[value] }

func newModel(now func() time.Time) *model {
	return &model{timeline.New[value](now, false)}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	// Nothing of u.Change is kept: it is a part of a run of up to 1 MiB.
	v := value(u.Change[len(u.Change)-1-len(c.name)-len(c.data):])
	added, _ := m.line.Add(&entry{Ref: u.Ref, Time: u.Time, Until: c.until, Value: v})
	return added, nil
}

// Reset implements replica.Model.
func (m *model) Reset() { m.line.Reset() }

// Rebuilt implements replica.Rebuilder.
func (m *model) Rebuilt() { m.line.Rebuilt() }
