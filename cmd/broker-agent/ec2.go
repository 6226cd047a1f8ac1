package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/brokeragent/logvolume"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/nodespec/tablemailbox"
	"github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/records"
)

// volumeName is the log volume's directory in the host's.
const volumeName = "volume"

// heartbeatInterval: on AWS each heartbeat costs a write of the table, some five cents a month for each node.
const heartbeatInterval = 30 * time.Second

// ec2Host is where an EC2 host has what; empty for the places where it usually is.
type ec2Host struct{ dir, volume, kafka, record string }

// userData is what the launch template tells every host of a deployment.
type userData struct {
	Deployment string `json:"deployment"`
	Table      string `json:"table"`
	Region     string `json:"region"`
	RoleID     string `json:"roleId"`
}

// runOnEC2 runs the agent of an EC2 instance. It reaches two things: the instance's own metadata service, which says who
// it is and lends it the credentials of its role, and the table. It asks no other service, STS neither, because the
// network that brokers live in has a way to the table alone.
func runOnEC2(ctx context.Context, h ec2Host, log *slog.Logger) error {
	if h.dir == "" {
		h.dir = defaultHostDir
	}
	if h.volume == "" {
		h.volume = filepath.Join(h.dir, volumeName)
	}
	metadata, err := openMetadata(ctx)
	if err != nil {
		return err
	}
	hostID, err := read(metadata.GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"}))
	if err != nil {
		return fmt.Errorf("ask the metadata service for the instance's id: %w; --ec2 is for EC2 instances, whose service answers", err)
	}
	data, err := readUserData(ctx, metadata)
	if err != nil {
		return err
	}
	table, err := openTable(ctx, metadata, data)
	if err != nil {
		return err
	}
	log = log.With("host", hostID, "deployment", data.Deployment)
	log.Info("host of a node on AWS", "table", data.Table, "region", data.Region)
	agent := brokeragent.Agent{
		HostID: hostID,
		// Nobody says beside an EBS volume how large it is, which is a file system of its own: only who has directories for volumes does.
		Limit:             brokeragent.VolumeAt(h.volume),
		Dir:               h.dir,
		Mailbox:           tablemailbox.New(hostID, records.Records{Table: table, HostRole: data.RoleID}),
		Volume:            logvolume.Place(h.volume),
		Parts:             logvolume.Record(h.record),
		Software:          software{kafkadist.Store{Dir: h.kafka, Sealed: true}},
		HeartbeatInterval: heartbeatInterval,
		Log:               log,
	}
	return agent.Run(ctx)
}

// openMetadata connects to the metadata service (IMDSv2 only, wherever AWS_EC2_METADATA_SERVICE_ENDPOINT says it is).
func openMetadata(ctx context.Context) (*imds.Client, error) {
	// A region has to be there for the configuration to load, and none is asked with it.
	plain, err := aws.Load(ctx, config.WithRegion("none"))
	if err != nil {
		return nil, err
	}
	return imds.NewFromConfig(plain, func(o *imds.Options) { o.EnableFallback = sdk.FalseTernary }), nil
}

func readUserData(ctx context.Context, metadata *imds.Client) (data userData, err error) {
	answer, err := metadata.GetUserData(ctx, &imds.GetUserDataInput{})
	if err != nil {
		return data, fmt.Errorf("ask the metadata service for the user data: %w", err)
	}
	defer answer.Content.Close()
	content, err := io.ReadAll(answer.Content)
	if err != nil {
		return data, fmt.Errorf("read user data: %w", err)
	}
	if err := json.Unmarshal(content, &data); err != nil {
		return data, fmt.Errorf("user data %q: %w", content, err)
	}
	if data.Table == "" || data.Region == "" || data.RoleID == "" {
		return data, fmt.Errorf("user data %s does not name table, region and roleId", content)
	}
	return data, nil
}

// openTable connects to the table as the instance's role, whatever other credentials lie about, and by the one name of
// DynamoDB that every region's gateway endpoint serves, not by one of the account's own.
func openTable(ctx context.Context, metadata *imds.Client, data userData) (*dynamo.Table, error) {
	role := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = metadata })
	connection, err := aws.Load(ctx,
		config.WithRegion(data.Region),
		config.WithCredentialsProvider(sdk.NewCredentialsCache(role)),
		config.WithAccountIDEndpointMode(sdk.AccountIDEndpointModeDisabled),
	)
	if err != nil {
		return nil, err
	}
	return dynamo.New(connection, data.Table).Lagging(), nil // a host looks again and again
}

// read takes the text of an answer of the metadata service.
func read(answer *imds.GetMetadataOutput, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer answer.Content.Close()
	text, err := io.ReadAll(answer.Content)
	return strings.TrimSpace(string(text)), err
}
