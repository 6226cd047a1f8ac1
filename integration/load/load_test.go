package load

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Whoever breaks a second broker because one of the others has not heard of the first yet, breaks the cluster.
func TestInSync_IsWhatAllBrokersSay(t *testing.T) {
	whole := []int32{1, 2, 3}
	for _, tt := range []struct {
		name   string
		views  [][]int32 // the replicas in sync by each broker's word; nil for one that is down
		inSync bool
		why    string
	}{
		{"all say so", [][]int32{whole, whole, whole}, true, ""},
		{"the third one knows better", [][]int32{whole, whole, {1, 2}}, false, "broker 3 says of orders-0: leader 1, [1 2] of [1 2 3]"},
		{"only the third one lags behind", [][]int32{{1, 2}, {1, 2}, whole}, false, "broker 1 says of orders-0"},
		{"the third one is down, and nobody has noticed", [][]int32{whole, whole, nil}, false, "broker 3 does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, why := consuming(t, tt.views).InSync(t.Context())
			if ok != tt.inSync || !strings.Contains(why, tt.why) {
				t.Errorf("%t, %q\nwant %t, %q", ok, why, tt.inSync, tt.why)
			}
		})
	}
}

func TestOutOfSync_IsNewsOfABrokerAndNotThatItIsSilent(t *testing.T) {
	whole := []int32{1, 2, 3}
	if consuming(t, [][]int32{whole, nil, nil}).OutOfSync(t.Context()) {
		t.Error("nobody has said so")
	}
	if !consuming(t, [][]int32{{1, 2}, nil, nil}).OutOfSync(t.Context()) {
		t.Error("somebody has said so")
	}
}

func TestClient_TriesAgainWhenABrokerTakesAConnectionAndStops(t *testing.T) {
	listener := listen(t)
	go func() {
		for range 3 {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = readRequest(connection) // whole, or the client would be told of a reset, and not of an end
			connection.Close()
		}
		serve(listener, kmsg.NewMetadataResponse())
	}()
	client, err := Target{Bootstrap: []string{listener.Addr().String()}}.client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client); err != nil {
		t.Error(err)
	}
}

// consuming gives a load that knows brokers with such views of one partition, and asks the first of them to begin with.
func consuming(t *testing.T, views [][]int32) *Load {
	t.Helper()
	listeners := make([]net.Listener, len(views))
	answer := kmsg.NewMetadataResponse()
	for i := range views {
		listeners[i] = listen(t)
		at := listeners[i].Addr().(*net.TCPAddr)
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = int32(i+1), at.IP.String(), int32(at.Port)
		answer.Brokers = append(answer.Brokers, b)
	}
	for i, inSync := range views {
		if inSync == nil {
			listeners[i].Close()
			continue
		}
		seen := answer
		topic, p := kmsg.NewMetadataResponseTopic(), kmsg.NewMetadataResponseTopicPartition()
		topic.Topic = kmsg.StringPtr("orders")
		p.Leader, p.Replicas, p.ISR = 1, []int32{1, 2, 3}, inSync
		topic.Partitions = append(topic.Partitions, p)
		seen.Topics = append(seen.Topics, topic)
		go serve(listeners[i], seen)
	}
	client, err := Target{Bootstrap: []string{listeners[0].Addr().String()}}.client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &Load{consumer: client}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// serve answers every request for metadata alike, until the listener is closed.
func serve(listener net.Listener, metadata kmsg.MetadataResponse) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			for answerOne(connection, metadata) == nil {
			}
		}()
	}
}

func answerOne(connection net.Conn, metadata kmsg.MetadataResponse) error {
	asked, err := readRequest(connection)
	if err != nil {
		return err
	}
	header := kbin.Reader{Src: asked}
	key, version, correlation := header.Int16(), header.Int16(), header.Int32()

	versions := kmsg.NewApiVersionsResponse()
	for _, key := range []int16{metadata.Key(), versions.Key()} {
		known := kmsg.NewApiVersionsResponseApiKey()
		known.ApiKey, known.MaxVersion = key, 3 // of versions before the flexible ones, whose headers are longer
		versions.ApiKeys = append(versions.ApiKeys, known)
	}
	var response kmsg.Response = &versions
	if key == metadata.Key() {
		response = &metadata
	}
	response.SetVersion(version)
	body := response.AppendTo(kbin.AppendInt32(nil, correlation))
	_, err = connection.Write(append(kbin.AppendInt32(nil, int32(len(body))), body...))
	return err
}

func readRequest(connection net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(connection, size[:]); err != nil {
		return nil, err
	}
	asked := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(connection, asked)
	return asked, err
}
