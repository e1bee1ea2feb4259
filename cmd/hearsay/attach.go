package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
)

// attach calls f with the running node of the data directory, or with its store.
func (a *app) attach(ctx context.Context, f func(node.API) error) (err error) {
	o := node.Options{Dir: a.data, Passphrase: a.openPassphrase(ctx), Log: a.log}
	if a.topic != "" {
		o.Topics = []string{a.topic}
	}
	api, err := node.Attach(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := api.Close(); err == nil {
			err = cerr
		}
	}()
	return f(api)
}

// following warns who waits for what comes, until a signal, where nothing can come.
func (a *app) following(api node.API) {
	if _, own := api.(*node.Node); own {
		a.warn("no node runs here: nothing new comes, and none can start before this ends")
	}
}

// How long a write may take to be durable: peers that are asked what the key wrote last
// have 30 s. Where the command opened the store, there are no peers, and nobody to
// make room on the disk.
const (
	writeWait    = 40 * time.Second
	ownWriteWait = 5 * time.Second
	// stillWaiting is when a command that writes says so.
	stillWaiting = 2 * time.Second
)

// unlock asks for the passphrase of a key, if it has one, before a command writes with it
// in a store that no node has open.
func unlock(ctx context.Context, api node.API) error {
	if own, ok := api.(*node.Node); ok {
		return own.Unlock(ctx)
	}
	return nil
}

// durably returns a context for one write, and says when that takes long. The time that
// somebody needs to type a passphrase does not count, nor what opens the key with it.
func (a *app) durably(ctx context.Context, api node.API) (context.Context, context.CancelFunc, error) {
	if err := unlock(ctx, api); err != nil {
		return nil, nil, err
	}
	limit := writeWait
	if _, own := api.(*node.Node); own {
		limit = ownWriteWait
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it is not durable after %v", limit))
	notice := time.AfterFunc(stillWaiting, func() {
		why := "the update is not signed and durable yet"
		if s, err := api.Status(ctx); err == nil && s.Write != "" {
			why = withoutPackage(s.Write)
		}
		if ctx.Err() == nil {
			a.warn("waiting: %s", why)
		}
	})
	return ctx, func() { notice.Stop(); cancel() }, nil
}

// addTopicFlag is for commands that a relay answers too, which may carry many topics.
func (a *app) addTopicFlag(cmd *cobra.Command) {
	cmd.Flags().Var(topicVar(&a.topic), "topic", "of topic `T`, for a relay that carries several")
}

// author reads what names an author: a node id, a fingerprint, or the end of a known
// author's id, as status shows it.
func author(ctx context.Context, api node.API, text string) (keys.NodeID, error) {
	id, err := keys.ParseNodeID(text)
	end := strings.TrimPrefix(text, "…")
	if err == nil || len(end) < minIDEnd || len(end) > maxIDEnd {
		return id, err
	}
	status, serr := api.Status(ctx)
	if serr != nil {
		return id, serr
	}
	return authorByEnd(status, end)
}

// An id has 46 characters; four tell a few hundred authors apart.
const (
	minIDEnd = 4
	maxIDEnd = 45
)

func authorByEnd(s *node.Status, end string) (keys.NodeID, error) {
	found := map[keys.NodeID]bool{}
	if strings.HasSuffix(s.ID.String(), end) {
		found[s.ID] = true
	}
	for _, known := range s.Authors {
		if strings.HasSuffix(known.ID.String(), end) {
			found[known.ID] = true
		}
	}
	for id := range found {
		if len(found) == 1 {
			return id, nil
		}
	}
	many := fmt.Sprintf("%d known authors have", len(found))
	if len(found) == 0 {
		many = "no known author has"
	}
	return keys.NodeID{}, withHint(fmt.Errorf("%s an id that ends in %q", many, end),
		"hearsay status lists the authors; Qm… and SHA256:… name any")
}
