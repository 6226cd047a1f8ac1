package kafkaformat

import (
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// checkpoint is the content of bootstrap.checkpoint, the first metadata of a cluster: a snapshot as controllers write
// them for themselves, with a header, the metadata records and a footer in one record batch each. The first active
// controller copies the records into the metadata log.
func checkpoint(features []kafkaversion.Feature, users []nodespec.ScramUser) []byte {
	var values [][]byte
	for _, f := range features {
		values = append(values, featureLevelRecord(f))
	}
	for _, u := range users {
		values = append(values, scramCredentialRecord(u))
	}

	content := batch(0, control, kmsg.Record{Key: controlKey(snapshotHeader), Value: snapshotHeaderValue()})
	metadata := make([]kmsg.Record, len(values))
	for i, value := range values {
		metadata[i] = kmsg.Record{Value: value}
	}
	content = append(content, batch(1, data, metadata...)...)
	end := int64(1 + len(metadata))
	return append(content, batch(end, control, kmsg.Record{Key: controlKey(snapshotFooter), Value: snapshotFooterValue()})...)
}

// Metadata records carry a frame in front of the record itself: frame version, API key, record version.
// https://github.com/apache/kafka/tree/trunk/metadata/src/main/resources/common/metadata
func frame(apiKey uint32) []byte {
	const frameVersion, recordVersion = 1, 0
	b := kbin.AppendUvarint(nil, frameVersion)
	b = kbin.AppendUvarint(b, apiKey)
	return kbin.AppendUvarint(b, recordVersion)
}

func featureLevelRecord(f kafkaversion.Feature) []byte {
	b := frame(12)
	b = kbin.AppendCompactString(b, f.Name)
	b = kbin.AppendInt16(b, f.Level)
	return noTags(b)
}

func scramCredentialRecord(u nodespec.ScramUser) []byte {
	const sha512 = 2
	b := frame(11)
	b = kbin.AppendCompactString(b, u.Name)
	b = kbin.AppendInt8(b, sha512)
	b = kbin.AppendCompactBytes(b, u.Salt)
	b = kbin.AppendCompactBytes(b, u.StoredKey)
	b = kbin.AppendCompactBytes(b, u.ServerKey)
	b = kbin.AppendInt32(b, u.Iterations)
	return noTags(b)
}

// Control records that frame a snapshot.
const (
	snapshotHeader int16 = 3
	snapshotFooter int16 = 4
)

func controlKey(kind int16) []byte {
	const version = 0
	return kbin.AppendInt16(kbin.AppendInt16(nil, version), kind)
}

func snapshotHeaderValue() []byte {
	const version, lastContainedTimestamp = 0, 0
	return noTags(kbin.AppendInt64(kbin.AppendInt16(nil, version), lastContainedTimestamp))
}

func snapshotFooterValue() []byte {
	const version = 0
	return noTags(kbin.AppendInt16(nil, version))
}

// noTags ends a record in Kafka's flexible encoding: the count of tagged fields is zero.
func noTags(b []byte) []byte { return kbin.AppendUvarint(b, 0) }

// What a batch holds, as its attributes say it.
const (
	data    int16 = 0
	control int16 = 1 << 5
)

// batch is one record batch (format v2) with the checksum that Kafka verifies when it reads.
func batch(firstOffset int64, attributes int16, records ...kmsg.Record) []byte {
	var body []byte
	for i, r := range records {
		r.OffsetDelta = int32(i)
		// Length counts what follows it; a length of zero takes one byte.
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		body = r.AppendTo(body)
	}
	b := kmsg.RecordBatch{
		FirstOffset:     firstOffset,
		Magic:           2,
		Attributes:      attributes,
		LastOffsetDelta: int32(len(records) - 1),
		ProducerID:      -1,
		ProducerEpoch:   -1,
		FirstSequence:   -1,
		NumRecords:      int32(len(records)),
		Records:         body,
	}
	// Here too, length counts what follows it; the checksum covers what follows the checksum.
	const endOfLength, endOfChecksum = 12, 21
	encoded := b.AppendTo(nil)
	b.Length = int32(len(encoded) - endOfLength)
	b.CRC = int32(crc32.Checksum(encoded[endOfChecksum:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}
