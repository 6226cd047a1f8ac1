package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
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
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			pem, err := plane.Authority(ctx, cluster.ARN)
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
		}),
	}
}
