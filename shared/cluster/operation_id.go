package cluster

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// NewOperationID makes a UUID of version 7: ids sort by the time they were made.
func NewOperationID(now time.Time, random io.Reader) (string, error) {
	id := [16]byte{}
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		return "", fmt.Errorf("make an operation id: %w", err)
	}
	stamp(&id, now)
	return text(id), nil
}

// BeforeOperations sorts before the id of every operation that was recorded at a time or later; the zero time is before all.
func BeforeOperations(at time.Time) string {
	var id [16]byte
	stamp(&id, at.Add(-time.Millisecond))
	return text(id)
}

// stamp writes what every id of a time has: the milliseconds, the version and RFC 9562's variant.
func stamp(id *[16]byte, at time.Time) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(0, at.UnixMilli()))) // an id knows nothing before 1970
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
}

func text(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// OperationARN names an operation of the cluster.
func (c Cluster) OperationARN(id string) string {
	return strings.Replace(c.ARN, ":cluster/", ":cluster-operation/", 1) + "/" + id
}
