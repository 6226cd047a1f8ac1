package brokeragent

import (
	"testing"

	"github.com/millrace/millrace/shared/nodespec"
)

func TestBlameDisk_NamesAFullDiskBehindWhateverKafkaSays(t *testing.T) {
	const fault = "Kafka ended (exit status 1): a fault occurred in a recent unsafe memory access operation"
	const mib = 1 << 20
	for _, tt := range []struct {
		name string
		disk *nodespec.Disk
		want string
	}{
		{"nobody knows how full it is", nil, fault},
		{"there is room", &nodespec.Disk{TotalBytes: 10 * mib, UsedBytes: 9 * mib}, fault},
		{
			"it is full", &nodespec.Disk{TotalBytes: 10 * mib, UsedBytes: 10 * mib},
			"the volume's disk is full (0 of 10485760 bytes are free): " + fault,
		},
		{
			"what is left is only for root", &nodespec.Disk{TotalBytes: 10 * mib, UsedBytes: 11 * mib},
			"the volume's disk is full (0 of 10485760 bytes are free): " + fault,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := blameDisk(tt.disk, fault); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
