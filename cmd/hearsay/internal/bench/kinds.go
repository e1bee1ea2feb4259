package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/sign/agent"
)

// errNotHere is wrapped when a case needs a program that is not installed.
var errNotHere = errors.New("not installed here")

// kind measures an author with a key of a kind: 64 writers, who share signatures, beside
// one, whose updates have a signature each.
func kind(name string, bits int, inAgent bool, span time.Duration) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		k, err := keygen.Generate(name, bits)
		if err != nil {
			return measured{}, err
		}
		var s sign.Signer = k
		if inAgent {
			held, stop, err := held(ctx, dir, k)
			if err != nil {
				return measured{}, err
			}
			defer stop()
			s = held
		}
		return signing(ctx, dir, s, span)
	}
}

func signing(ctx context.Context, dir string, s sign.Signer, span time.Duration) (measured, error) {
	msg := make([]byte, 256) // about a header
	sig, err := s.Sign(ctx, wire.NamespaceUpdate, msg)
	if err != nil {
		return measured{}, err
	}
	toSign, err := perCall(span/4, func() error {
		_, err := s.Sign(ctx, wire.NamespaceUpdate, msg)
		return err
	})
	if err != nil {
		return measured{}, err
	}
	public := s.Public()
	toCheck, err := perCall(span/4, func() error { return public.Verify(wire.NamespaceUpdate, msg, sig) })
	if err != nil {
		return measured{}, err
	}
	one, err := writing(ctx, dir, s, 1, span/2)
	if err != nil {
		return measured{}, err
	}
	m, err := writing(ctx, dir, s, 64, span/2)
	if err != nil {
		return measured{}, err
	}
	m.base, m.to = one.rate, "one writer"
	m.figures = append(m.figures, Figure{"one writer", one.rate, "/s"},
		Figure{"to sign", micros(toSign), "µs"}, Figure{"to check", micros(toCheck), "µs"})
	return m, nil
}

// perCall returns how long the fastest tenth of the calls of f take at most, of as many as
// there is time for: what else a busy machine does in between is not in it.
func perCall(span time.Duration, f func() error) (time.Duration, error) {
	var took []time.Duration
	for end := time.Now().Add(span); len(took) == 0 || time.Now().Before(end); {
		began := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/10], nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// held starts an ssh-agent that holds k. stop ends it.
func held(ctx context.Context, dir string, k *sign.PrivateKey) (s sign.Signer, stop func(), err error) {
	for _, tool := range []string{"ssh-agent", "ssh-add"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, nil, fmt.Errorf("%w: %s", errNotHere, tool)
		}
	}
	socket, file := filepath.Join(dir, "agent"), filepath.Join(dir, "key")
	if err := keygen.WriteFiles(file, k, "", nil); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	daemon := exec.CommandContext(ctx, "ssh-agent", "-D", "-a", socket)
	if err := daemon.Start(); err != nil {
		cancel()
		return nil, nil, err
	}
	stop = func() {
		cancel()
		daemon.Wait()
	}
	if err := add(ctx, socket, file, k.Public()); err != nil {
		stop()
		return nil, nil, err
	}
	return agent.New(socket, k.Public()), stop, nil
}

// add gives an agent that is starting the key in a file.
func add(ctx context.Context, socket, file string, public keys.PublicKey) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := until(ctx, func() bool { return answers(ctx, socket) }); err != nil {
		return fmt.Errorf("ssh-agent does not answer: %w", err)
	}
	cmd := exec.CommandContext(ctx, "ssh-add", "-q", file)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-add: %w: %s", err, out)
	}
	return agent.New(socket, public).Check(ctx)
}

// answers reports whether something takes connections at a socket, which is there before.
func answers(ctx context.Context, socket string) bool {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
