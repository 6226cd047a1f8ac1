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
plane runs.

With --endpoint it is the control plane there, and the access key that your AWS credentials
hold. That has to be one that Millrace issued ("millrace keys issue"), since these clients
sign for MSK; "millrace proxy" lets them work with an IAM identity instead.`,
		Example: `  eval "$(millrace env)"
  eval "$(millrace env --data /srv/second)"
  eval "$(AWS_PROFILE=kafka millrace env --endpoint https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/v1)"
  millrace env --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			plane, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			if plane.IAM {
				return fmt.Errorf("the AWS credentials here are not an access key that Millrace issued, and clients of MSK can use no other; "+
					"issue one with: %s; or let them go through: %s", a.hint("keys issue"), a.hint("proxy"))
			}
			key, err := plane.Credentials.Retrieve(c.Context())
			if err != nil {
				return fmt.Errorf("find AWS credentials: %w", err)
			}
			e := environment(plane.Endpoint, plane.Region, key.AccessKeyID, key.SecretAccessKey)
			return a.print(e, e.write)
		},
	}
}

// awsEnvironment is what AWS clients read from their environment.
type awsEnvironment struct {
	EndpointURL     string `json:"AWS_ENDPOINT_URL_KAFKA"`
	ScalingURL      string `json:"AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING"`
	Region          string `json:"AWS_REGION"`
	DefaultRegion   string `json:"AWS_DEFAULT_REGION"`
	AccessKeyID     string `json:"AWS_ACCESS_KEY_ID"`
	SecretAccessKey string `json:"AWS_SECRET_ACCESS_KEY"`
}

func environment(endpoint, region, id, secret string) awsEnvironment {
	return awsEnvironment{
		EndpointURL:     endpoint,
		ScalingURL:      endpoint,
		Region:          region,
		DefaultRegion:   region, // version 1 of the aws command line and boto3 know no other name for it
		AccessKeyID:     id,
		SecretAccessKey: secret,
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
	for _, v := range e.variables() {
		if _, err := fmt.Fprintf(w, "export %s=%s\n", v[0], shellQuote(v[1])); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(w, leftOvers)
	return err
}

func (e awsEnvironment) variables() [][2]string {
	return [][2]string{
		{"AWS_ENDPOINT_URL_KAFKA", e.EndpointURL},
		{"AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", e.ScalingURL},
		{"AWS_REGION", e.Region},
		{"AWS_DEFAULT_REGION", e.DefaultRegion},
		{"AWS_ACCESS_KEY_ID", e.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", e.SecretAccessKey},
	}
}
