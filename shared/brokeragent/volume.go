package brokeragent

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// admitVolume makes sure that a locked volume is this node's, and formats it if and only if it is empty and the spec says
// that it is new. A volume of anybody else is not written to at all.
func admitVolume(volume string, spec nodespec.Spec) error {
	found, formatted, err := kafkaformat.Read(volume)
	if err != nil {
		return stopf("the volume's meta.properties can't be read, so the volume is left alone: %v", err)
	}
	if formatted {
		return judgeIdentity(found, spec)
	}
	if !spec.Volume.New {
		return stopf("the volume is not formatted, and generation %d does not call it new: is it the right volume?", spec.Generation)
	}
	version, known := kafkaversion.OfRelease(spec.Release)
	if !known {
		return stopf("Kafka %s is not among the releases that this agent can format a volume for", spec.Release)
	}
	err = kafkaformat.Format(volume, kafkaformat.Node{
		Identity: kafkaformat.Identity{ClusterID: spec.ClusterID, NodeID: spec.NodeID, DirectoryID: spec.Volume.DirectoryID},
		Role:     spec.Role,
		Features: version.Features,
		Users:    spec.Volume.Users,
	})
	if errors.Is(err, kafkaformat.ErrNotEmpty) {
		return stopf("the volume should be new, and it holds files of somebody else: it is left alone")
	}
	if err != nil {
		return fmt.Errorf("format the volume: %w", err)
	}
	return nil
}

// judgeIdentity tells whether a formatted volume belongs to the node of a spec.
func judgeIdentity(found kafkaformat.Identity, spec nodespec.Spec) error {
	switch {
	case found.ClusterID != spec.ClusterID:
		return stopf("the volume belongs to the cluster with id %s, not to %s with id %s: it is left alone",
			found.ClusterID, spec.Cluster, spec.ClusterID)
	case found.NodeID != spec.NodeID:
		return stopf("the volume belongs to node %d of %s, not to node %d: it is left alone",
			found.NodeID, spec.Cluster, spec.NodeID)
	}
	return nil
}

// diskOf tells how full the disk of a directory is; nil when nobody can tell.
func diskOf(dir string) *nodespec.Disk {
	if dir == "" {
		return nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return nil
	}
	block := int64(s.Bsize)
	// Blocks that only root may fill count as used: Kafka can't have them.
	total, free := int64(s.Blocks)*block, int64(s.Bavail)*block
	return &nodespec.Disk{TotalBytes: total, UsedBytes: total - free}
}

// asGoodAsFull is how little room on a disk explains why Kafka does not start. A starting Kafka needs more than that.
const asGoodAsFull = 1 << 20

// blameDisk puts a full disk before a reason that may only follow from it, and tells whether it is. Kafka meets one in many
// disguises: where a mapped file gets no page, for instance, its last words are about unsafe memory access. Where Kafka names
// it itself, it may have left more room when it ended than there was for it.
func blameDisk(disk *nodespec.Disk, reason string) (blamed string, full bool) {
	switch {
	case disk == nil:
		return reason, false
	case disk.FreeBytes() < asGoodAsFull:
	case strings.Contains(reason, "o space left on device") && disk.UsedPercent() >= nodespec.FullPercent:
	default:
		return reason, false
	}
	return fullDisk(disk.FreeBytes(), disk.TotalBytes, reason), true
}

func fullDisk(free, total int64, reason string) string {
	return fmt.Sprintf("the volume's disk is full (%d of %d bytes are free): %s", free, total, reason)
}
