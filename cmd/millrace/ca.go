package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) caCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ca CLUSTER",
		Short: "Print the certificate that clients of a cluster have to trust",
		Long: `Prints the certificate of the cluster's own certificate authority, in PEM. CLUSTER is its
name or its ARN.`,
		Example: `  millrace ca demo > ca.pem
  millrace ca demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			plane, err := a.connect()
			if err != nil {
				return err
			}
			cluster, err := a.cluster(c.Context(), plane, args[0])
			if err != nil {
				return err
			}
			pem, err := plane.client().Authority(c.Context(), cluster.ARN)
			if err != nil {
				return a.explain(plane, err)
			}
			result := struct {
				ClusterARN  string `json:"clusterArn"`
				Certificate string `json:"certificate"`
			}{cluster.ARN, pem}
			return a.print(result, func(w io.Writer) error {
				_, err := fmt.Fprint(w, pem)
				return err
			})
		},
	}
}
