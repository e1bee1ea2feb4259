package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/sign/agent"
)

// adminFlags say where an administrator's key is: in a file, or in an ssh-agent.
type adminFlags struct {
	key   string
	agent keys.NodeID
}

func (f *adminFlags) add(a *app, cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.key, "key", "", "sign with the private key in `FILE`")
	a.keyAccess.add(fl)
	fl.Var(idVar{&f.agent}, "agent", "sign with the key of `FINGERPRINT` in the ssh-agent at $SSH_AUTH_SOCK instead")
	cmd.MarkFlagFilename("key")
	cmd.MarkFlagsMutuallyExclusive("key", "agent")
}

// check says in flags that a key is missing, and what it is for.
func (f *adminFlags) check(hint string) error {
	if f.key == "" && f.agent.IsZero() {
		return &usageError{"--key FILE is missing", hint + "; --agent FINGERPRINT takes one in an ssh-agent"}
	}
	return nil
}

func (f *adminFlags) signer(ctx context.Context, a *app) (sign.Signer, error) {
	if !f.agent.IsZero() {
		return agent.Find(ctx, "", f.agent)
	}
	k, warning, err := keygen.ReadFile(f.key, a.openPassphrase(ctx))
	if warning != "" {
		a.warn("%s", warning)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}
