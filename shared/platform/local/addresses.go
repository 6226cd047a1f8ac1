package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Addresses are loopback addresses. Each is a file of the address's name that holds the token of its owner.
type Addresses struct {
	Layout Layout

	taking sync.Mutex // one call at a time: two that look for one token would find none and take one each
}

func (a *Addresses) file(ip string) string { return filepath.Join(a.Layout.addresses(), ip) }

// EnsureAddress takes a free loopback address, or gives the one that the token has taken before.
func (a *Addresses) EnsureAddress(ctx context.Context, request cluster.AddressRequest) (cluster.Address, error) {
	a.taking.Lock()
	defer a.taking.Unlock()
	taken, err := a.find(request.Token)
	if err != nil {
		return cluster.Address{}, err
	}
	if taken != "" {
		return address(taken), nil
	}
	taker := 0
	for try := range 1000 {
		ip := candidate(request.Token, try)
		if taker = portInUse(ctx, ip, request.Ports); taker != 0 {
			continue
		}
		err := a.take(ip, request.Token)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return cluster.Address{}, fmt.Errorf("take address %s: %w", ip, err)
		}
		return address(ip), nil
	}
	if taker != 0 {
		return cluster.Address{}, fault.New(fault.Conflict,
			"port %d is taken on every loopback address; does another program, such as a Kafka of its own, listen on all addresses?", taker)
	}
	return cluster.Address{}, fault.New(fault.Conflict, "no loopback address is free")
}

// temporaryAddressPrefix starts the names of address files that are being written, in the data directory itself.
const temporaryAddressPrefix = "address-"

// take writes the owner's token under the address's name, whole or not at all.
func (a *Addresses) take(ip string, token cluster.Token) error {
	temporary := filepath.Join(a.Layout.Dir, temporaryAddressPrefix+token.String())
	if err := os.WriteFile(temporary, []byte(token.String()), 0o600); err != nil {
		return err
	}
	defer os.Remove(temporary)
	return os.Link(temporary, a.file(ip)) // fails when the name is taken
}

func address(ip string) cluster.Address { return cluster.Address{ID: ip, IP: ip, Name: ip} }

func (a *Addresses) find(token cluster.Token) (ip string, err error) {
	entries, err := os.ReadDir(a.Layout.addresses())
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		owner, err := os.ReadFile(a.file(e.Name()))
		if err == nil && strings.TrimSpace(string(owner)) == token.String() {
			return e.Name(), nil
		}
	}
	return "", nil
}

// NameKnown is always true: the name of a loopback address is the address itself.
func (a *Addresses) NameKnown(context.Context, cluster.Address) (bool, error) { return true, nil }

// ReleaseAddress gives back the address that a token has taken. One that is free, or never was taken, is success.
func (a *Addresses) ReleaseAddress(_ context.Context, token cluster.Token) error {
	ip, err := a.find(token)
	if err != nil || ip == "" {
		return err
	}
	if err := os.Remove(a.file(ip)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// candidate proposes an address for a node. All nodes of a cluster get neighbouring addresses of one block, which follows
// from the cluster's id, so that several control planes on one machine keep out of each other's way.
func candidate(token cluster.Token, try int) string {
	block := sha256.Sum256(fmt.Appendf(nil, "%s %d", token.ClusterID, try))
	node := int(token.NodeID)
	if token.NodeID >= cluster.FirstController {
		node = 201 + node - int(cluster.FirstController)
	}
	return fmt.Sprintf("127.%d.%d.%d", 16+int(block[0])%224, block[1], 1+(node-1)%253)
}

// portInUse gives one of the ports on which somebody on this machine listens at an address; 0 when nobody does.
func portInUse(ctx context.Context, ip string, ports []int) int {
	var config net.ListenConfig
	for _, port := range ports {
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		if err != nil {
			return port
		}
		l.Close()
	}
	return 0
}
