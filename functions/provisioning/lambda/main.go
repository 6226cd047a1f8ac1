// Command lambda serves the steps that make and remove what nodes live on.
package main

import (
	"context"
	"os"
	"time"

	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/compute"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/platform/aws/vault"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/trace/xray"
)

func main() {
	xray.Enable()
	serve.Lambda(start)
}

func start(ctx context.Context) (serve.Function, error) {
	environment, err := aws.ProvisioningEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := aws.Load(ctx)
	if err != nil {
		return nil, err
	}
	nodes := compute.New(connection, compute.Config{
		Deployment:          environment.Name,
		VPC:                 environment.VPC,
		LaunchTemplate:      environment.LaunchTemplate,
		VolumeKey:           environment.VolumeKey,
		ZoneID:              environment.ZoneID,
		ZoneName:            environment.ZoneName,
		HostSecurityGroup:   environment.HostSecurityGroup,
		ClientSecurityGroup: environment.ClientSecurityGroup,
	})
	return provisioning.Steps(provisioning.Deps{
		Records: records.Records{
			Table: dynamo.New(connection, environment.Table), HostRole: environment.HostRole,
		},
		Platform: provisioning.Platform{
			Addresses: nodes.Addresses, Volumes: nodes.Volumes, Hosts: nodes.Hosts, Zones: nodes.Zones,
			Secrets: vault.NewSecrets(connection, vault.SecretsConfig{
				Deployment: environment.Name, Key: environment.DataKey, Names: provisioning.Secrets(),
			}),
			Sizing: provisioning.Sizing{HeapMiB: compute.HeapMiB},
		},
		Now: time.Now,
	}), nil
}
