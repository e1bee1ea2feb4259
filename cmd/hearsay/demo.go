package main

import (
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/cmd/hearsay/internal/demo"
)

func newDemoCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a relay lie, and fail",
		Long: `Plays two authors, an honest relay and a lying one in this process, over real sockets,
and shows what arrives, what is refused, and why.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return demo.Run(cmd.Context(), a.out) },
	}
}
