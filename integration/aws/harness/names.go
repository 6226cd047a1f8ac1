package harness

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// names stand for the resolver of the VPC: they know what the private zone in Route 53 says. Java reads them from a file.
type names struct {
	d    *Deployment
	file string

	mu    sync.Mutex
	known map[string]string // name to address
}

func newNames(d *Deployment) (*names, error) {
	n := &names{d: d, file: filepath.Join(d.dir, "names"), known: map[string]string{}}
	return n, n.write()
}

// keep follows the zone until the deployment ends.
func (n *names) keep() {
	client := route53.NewFromConfig(n.d.resources.admin)
	for n.d.pause(200 * time.Millisecond) {
		zone, err := n.d.zone()
		if err != nil {
			n.d.complain("names: %v", err)
			return
		}
		found, err := client.ListResourceRecordSets(n.d.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &zone})
		if err != nil {
			if n.d.ctx.Err() == nil {
				n.d.complain("names: %v", err)
			}
			return
		}
		known := map[string]string{}
		for _, r := range found.ResourceRecordSets {
			if r.Type == route53types.RRTypeA && len(r.ResourceRecords) == 1 {
				known[strings.TrimSuffix(aws.ToString(r.Name), ".")] = aws.ToString(r.ResourceRecords[0].Value)
			}
		}
		n.mu.Lock()
		n.known = known
		n.mu.Unlock()
		if err := n.write(); err != nil {
			n.d.complain("names: %v", err)
		}
	}
}

// write replaces the file as a whole, so that nobody reads half of it.
func (n *names) write() error {
	var text bytes.Buffer
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	fmt.Fprintf(&text, "127.0.0.1 localhost %s\n", host)
	n.mu.Lock()
	for name, address := range n.known {
		fmt.Fprintf(&text, "%s %s\n", address, name)
	}
	n.mu.Unlock()
	if err := os.WriteFile(n.file+".new", text.Bytes(), 0o644); err != nil { //nolint:gosec // names are no secret
		return err
	}
	return os.Rename(n.file+".new", n.file)
}

// Dial connects to a name of the zone, as a client in the VPC would.
func (n *names) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	at, known := n.known[host]
	n.mu.Unlock()
	if !known {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	dialer := net.Dialer{Timeout: 30 * time.Second}
	return dialer.DialContext(ctx, network, net.JoinHostPort(at, port))
}
