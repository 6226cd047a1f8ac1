package brokeragent

import (
	"testing"

	"github.com/millrace/millrace/shared/nodespec"
)

func TestBlameDisk_NamesAFullDiskBehindWhateverKafkaSays(t *testing.T) {
	const fault = "Kafka ended (exit status 1): a fault occurred in a recent unsafe memory access operation"
	const noSpace = "Kafka ended (exit status 1): No space left on device"
	const mib = 1 << 20
	for _, tt := range []struct {
		name string
		disk *nodespec.Disk
		says string
		want string
	}{
		{"nobody knows how full it is", nil, fault, fault},
		{"there is room", &nodespec.Disk{TotalBytes: 10 * mib, UsedBytes: 9 * mib}, fault, fault},
		{"Kafka misses room on a disk that has plenty", &nodespec.Disk{TotalBytes: 100 * mib, UsedBytes: 50 * mib}, noSpace, noSpace},
		{
			"Kafka left room when it ended", &nodespec.Disk{TotalBytes: 100 * mib, UsedBytes: 98 * mib}, noSpace,
			"the volume's disk is full (2097152 of 104857600 bytes are free): " + noSpace,
		},
		{
			"it is full", &nodespec.Disk{TotalBytes: 10 * mib, UsedBytes: 10 * mib}, fault,
			"the volume's disk is full (0 of 10485760 bytes are free): " + fault,
		},
		{
			"what is left is only for root", &nodespec.Disk{TotalBytes: 10 * mib, UsedBytes: 11 * mib}, fault,
			"the volume's disk is full (0 of 10485760 bytes are free): " + fault,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, full := blameDisk(tt.disk, tt.says)
			if got != tt.want || full != (tt.want != tt.says) {
				t.Errorf("full %t, got  %s\nwant %s", full, got, tt.want)
			}
		})
	}
}
