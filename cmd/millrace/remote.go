package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/accesskey"
)

// worksElsewhere marks a command, with those below it, as one that takes --endpoint. All others are about this machine.
func worksElsewhere(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{elsewhere: ""}
	return c
}

const elsewhere = "works elsewhere"

// checkEndpoint refuses an --endpoint that a command can't use, or that nobody should. A command about this machine does
// not care what MILLRACE_ENDPOINT says, and whoever names a data directory means it.
func (a *app) checkEndpoint(c *cobra.Command) error {
	given := c.Flag("endpoint") != nil && c.Flag("endpoint").Changed
	able := false
	for p := c; p != nil; p = p.Parent() {
		_, marked := p.Annotations[elsewhere]
		able = able || marked
	}
	switch {
	case given && !able:
		return usagef("%q is about this machine only and takes no --endpoint", c.CommandPath())
	case given && a.endpoint == "":
		return usagef("--endpoint is empty; leave it away for this machine") // an unset variable, most likely
	case given && a.data != "":
		return usagef("--endpoint and --data name two control planes; give one of them")
	case !given && able && a.data == "":
		a.endpoint = os.Getenv("MILLRACE_ENDPOINT")
	}
	if a.endpoint == "" {
		return nil
	}
	a.endpoint = strings.TrimSuffix(a.endpoint, "/")
	if err := checkURL(a.endpoint); err != nil {
		return usagef("the endpoint %s: %w", a.endpoint, err)
	}
	return nil
}

// checkURL takes https anywhere and http on this machine only: what is asked and answered is not for others to read.
func checkURL(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("it has to be of the form https://host/stage")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("it has to begin with https://; http:// is for this machine's own addresses")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var executeAPIHost = regexp.MustCompile(`\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)

// connectRemotely finds the user's AWS credentials where every AWS client does. The rule: an access key that Millrace issued
// goes the way of MSK's own clients; all other credentials are those of an IAM identity and go the way that IAM guards.
func connectRemotely(ctx context.Context, endpoint string) (connection, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return connection{}, err
	}
	var options []func(*config.LoadOptions) error
	if named := executeAPIHost.FindStringSubmatch(u.Hostname()); named != nil {
		options = append(options, config.WithRegion(named[1]))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return connection{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if c.Region == "" {
		return connection{}, fmt.Errorf("%s does not name its region; set AWS_REGION to it", endpoint)
	}
	credentials, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return connection{}, fmt.Errorf("find AWS credentials: %w; check with: aws sts get-caller-identity", err)
	}
	return connection{Client: client.Client{Route: client.Route{
		Endpoint: endpoint, Region: c.Region, Credentials: c.Credentials, IAM: !accesskey.IsID(credentials.AccessKeyID),
	}}}, nil
}
