package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. Everything that is not how the command was written is a failure.
const (
	exitFailure = 1
	exitUsage   = 2
)

// app is one run of the program: where it reads and writes, and the flags that every command takes.
type app struct {
	in       io.Reader
	out, err io.Writer

	data     string // as given; empty for the default
	endpoint string // as given; empty for this machine, unless the environment names one
	output   string
	// begun is true once the command line was understood: errors before that are the user's way of writing it.
	begun bool
}

// exitCode ends a command that has said all there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError is a mistake in the command line that only the command itself can see.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run does what the command line says and gives the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	var usage usageError
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case a.begun && !errors.As(err, &usage):
		fmt.Fprintln(a.err, "millrace:", err)
		return exitFailure
	default:
		fmt.Fprintf(a.err, "millrace: %v; see: %s --help\n", err, command.CommandPath())
		return exitUsage
	}
}

// root is the whole command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Managed Apache Kafka behind the API of Amazon MSK",
		Long: `Millrace runs managed Apache Kafka behind the API of Amazon MSK, on this machine or in an
AWS account.

"millrace up" starts a control plane here. Clusters are made with whatever speaks the API of
MSK: the aws command line, the SDKs, Terraform. Their brokers are real. Commands that look at
a control plane also take the --endpoint of one elsewhere.`,
		Example: `  millrace up --detach
  eval "$(millrace env)"
  aws kafka list-clusters-v2
  millrace status --watch
  millrace down`,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if f := c.Flag("data"); f != nil && f.Changed && a.data == "" {
				return usagef("--data is empty; leave it away for the default directory") // an unset variable, most likely
			}
			if err := a.checkEndpoint(c); err != nil {
				return err
			}
			if !slices.Contains([]string{outputTable, outputJSON}, a.output) {
				return usagef("--output is %s or %s, not %q", outputTable, outputJSON, a.output)
			}
			a.begun = true
			return nil
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "",
		"data directory; several live side by side (default $MILLRACE_DATA, or millrace in the user's data directory)")
	flags.StringVar(&a.endpoint, "endpoint", "",
		"URL of a control plane elsewhere, as AWS clients are given it (default $MILLRACE_ENDPOINT; see: millrace keys --help)")
	flags.StringVarP(&a.output, "output", "o", outputTable, "how to print results: table or json")
	root.AddCommand(
		a.upCommand(), a.downCommand(), worksElsewhere(a.statusCommand()), worksElsewhere(a.envCommand()), a.resetCommand(),
		worksElsewhere(a.caCommand()), worksElsewhere(a.clustersCommand()), worksElsewhere(a.healthCommand()),
		worksElsewhere(a.healCommand()), worksElsewhere(a.maintenanceCommand()), worksElsewhere(a.topicsCommand()),
		worksElsewhere(a.groupsCommand()), worksElsewhere(a.storageCommand()), worksElsewhere(a.keysCommand()),
		worksElsewhere(a.proxyCommand()), worksElsewhere(a.costCommand()), a.kafkaCommand(), a.versionCommand(),
	)
	return root
}

// group is a command that only holds others. Without this, cobra takes an unknown one among them for a wish for help.
func group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(commands...)
	return c
}

// hint is a command for the user to type next, on the same data directory or control plane.
func (a *app) hint(command string) string {
	words := []string{"millrace", command}
	if a.endpoint != "" {
		words = append(words, "--endpoint", shellQuote(a.endpoint))
	}
	if a.data != "" {
		words = append(words, "--data", shellQuote(a.data))
	}
	return strings.Join(words, " ")
}
