package kafkadist

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

//go:embed throwaway.properties
var throwAwayProperties string

// throwAway is a node that exists to show the JVM which classes a node needs: broker and controller at once, with every
// kind of listener, on free ports of the loopback address, for a few seconds.
type throwAway struct {
	properties              string // path of its server.properties
	plaintext, secure, sasl string // addresses of its listeners
	authority               *x509.CertPool
	user, password          string
}

// newThrowAway writes everything the node needs into a directory.
func newThrowAway(ctx context.Context, dir string, features []kafkaversion.Feature) (throwAway, error) {
	addresses, err := freeAddresses(ctx, 4)
	if err != nil {
		return throwAway{}, err
	}
	certificate, keystore, err := selfSigned(time.Now())
	if err != nil {
		return throwAway{}, err
	}
	volume := filepath.Join(dir, "volume")
	if err := os.Mkdir(volume, 0o700); err != nil {
		return throwAway{}, err
	}
	node := kafkaformat.Node{
		Identity: kafkaformat.Identity{ClusterID: randomID(), NodeID: 1, DirectoryID: randomID()},
		Role:     nodespec.Controller, // it is a broker as well, which needs nothing more
		Features: features,
	}
	if err := kafkaformat.Format(volume, node); err != nil {
		return throwAway{}, err
	}

	t := throwAway{
		properties: filepath.Join(dir, "server.properties"),
		plaintext:  addresses[0], secure: addresses[1], sasl: addresses[2],
		authority: x509.NewCertPool(),
		user:      "kafka-internal", password: randomID(),
	}
	t.authority.AppendCertsFromPEM(certificate)
	text := strings.NewReplacer(
		"${plaintext}", t.plaintext, "${secure}", t.secure, "${sasl}", t.sasl, "${controller}", addresses[3],
		"${volume}", volume, "${keystore}", filepath.Join(dir, "keystore.pem"), "${truststore}", filepath.Join(dir, "truststore.pem"),
		"${user}", t.user, "${password}", t.password,
	).Replace(throwAwayProperties)
	for name, content := range map[string][]byte{
		"server.properties": []byte(text), "keystore.pem": keystore, "truststore.pem": certificate,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return throwAway{}, err
		}
	}
	return t, nil
}

// use sends a record through each listener and reads one back as a member of a group, waiting for the node as long as
// the context allows.
func (t throwAway) use(ctx context.Context) error {
	for _, listener := range [][]kgo.Opt{
		{kgo.SeedBrokers(t.plaintext)},
		{kgo.SeedBrokers(t.secure), kgo.DialTLSConfig(&tls.Config{RootCAs: t.authority})},
		{kgo.SeedBrokers(t.sasl), kgo.SASL(plain.Auth{User: t.user, Pass: t.password}.AsMechanism())},
	} {
		if err := sendAndReceive(ctx, listener); err != nil {
			return err
		}
	}
	return nil
}

func sendAndReceive(ctx context.Context, listener []kgo.Opt) error {
	const topic = "warm-up"
	client, err := kgo.NewClient(append(listener,
		kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic(topic),
		kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	for client.Ping(ctx) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node does not answer: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("warm")).FirstErr(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	for {
		fetches := client.PollFetches(ctx)
		if fetches.NumRecords() > 0 {
			return client.CommitUncommittedOffsets(ctx)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("consume: %w", err)
		}
	}
}

// freeAddresses are n addresses that nobody listens on at the moment.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	var config net.ListenConfig
	for range n {
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only at the end, so that no address comes twice
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// selfSigned is a certificate for the loopback address that is its own authority, and the same with its key: PEM.
func selfSigned(now time.Time) (certificate, keystore []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "kafka-internal"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certificate, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), certificate...), nil
}

// randomID is an id as Kafka makes them: 16 random bytes in unpadded URL base64.
func randomID() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
