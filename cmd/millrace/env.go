package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) envCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print what points AWS clients at the control plane, for eval",
		Long: `Prints shell commands that point the aws command line, the SDKs and Terraform at the
running control plane, for "eval" in a POSIX shell. Only calls to MSK go there; other
services of AWS are called as before, and will not know these access keys.

The access key is the one of the data directory. Prints nothing and fails when no control
plane runs.`,
		Example: `  eval "$(millrace env)"
  eval "$(millrace env --data /srv/second)"
  millrace env --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			e := environment(c)
			return a.print(e, e.write)
		},
	}
}

// awsEnvironment is what AWS clients read from their environment.
type awsEnvironment struct {
	EndpointURL     string `json:"AWS_ENDPOINT_URL_KAFKA"`
	Region          string `json:"AWS_REGION"`
	DefaultRegion   string `json:"AWS_DEFAULT_REGION"`
	AccessKeyID     string `json:"AWS_ACCESS_KEY_ID"`
	SecretAccessKey string `json:"AWS_SECRET_ACCESS_KEY"`
}

func environment(c controlPlane) awsEnvironment {
	return awsEnvironment{
		EndpointURL:     c.endpoint(),
		Region:          c.Region,
		DefaultRegion:   c.Region, // version 1 of the aws command line and boto3 know no other name for it
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey,
	}
}

// leftOvers puts out of the way what other work may have left in a shell: a session token would be sent with our key and
// refused, under either of its names; AWS_IGNORE_… would send our key to AWS; a profile may not exist or have an endpoint
// of its own; and a proxy can't reach this machine's loopback.
const leftOvers = `unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_IGNORE_CONFIGURED_ENDPOINT_URLS AWS_PROFILE AWS_DEFAULT_PROFILE
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}"
`

func (e awsEnvironment) write(w io.Writer) error {
	for _, v := range [][2]string{
		{"AWS_ENDPOINT_URL_KAFKA", e.EndpointURL},
		{"AWS_REGION", e.Region},
		{"AWS_DEFAULT_REGION", e.DefaultRegion},
		{"AWS_ACCESS_KEY_ID", e.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", e.SecretAccessKey},
	} {
		if _, err := fmt.Fprintf(w, "export %s=%s\n", v[0], shellQuote(v[1])); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(w, leftOvers)
	return err
}
