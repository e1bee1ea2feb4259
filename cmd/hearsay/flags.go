package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"

	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// checkedList is a flag that may be given several times, each time with a value that
// check takes. A bad one is a bad call, before anything is opened.
type checkedList struct {
	values *[]string
	check  func(string) error
}

func listVar(f *pflag.FlagSet, values *[]string, name, usage string, check func(string) error) {
	f.Var(&checkedList{values, check}, name, usage)
}

func (l *checkedList) Set(s string) error {
	if err := l.check(s); err != nil {
		return err
	}
	*l.values = append(*l.values, s)
	return nil
}

func (l *checkedList) String() string { return "" }

func (l *checkedList) Type() string { return "list" }

func checkPeer(s string) error {
	_, err := link.ParseAddress(s)
	return err
}

// checkListen takes HOST:PORT; an empty host is every address of the machine.
func checkListen(s string) error {
	if _, _, err := net.SplitHostPort(s); err != nil {
		return fmt.Errorf("want HOST:PORT: %w", err)
	}
	return nil
}

// checkedString is a flag with a value that check takes.
type checkedString struct {
	value *string
	check func(string) error
}

func (c checkedString) Set(s string) error {
	*c.value = s
	if err := c.check(s); err != nil {
		return errors.New(withoutPackage(err.Error()))
	}
	return nil
}

func (c checkedString) String() string { return "" }

func (c checkedString) Type() string { return "string" }

func topicVar(topic *string) checkedString { return checkedString{topic, wire.CheckTopic} }

// headIntervalVar is how often a node signs how far it has written.
type headIntervalVar struct{ d *time.Duration }

func (h headIntervalVar) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	*h.d = d
	if err := node.CheckHeadInterval(d); err != nil {
		return errors.New(withoutPackage(err.Error()))
	}
	return nil
}

func (h headIntervalVar) String() string { return "" }

func (h headIntervalVar) Type() string { return "duration" }
