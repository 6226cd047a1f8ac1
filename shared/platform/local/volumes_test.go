package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local"
)

// sizeOf is the size of a volume as an agent finds it where the volume is attached.
func sizeOf(t *testing.T, dir, id string) int64 {
	t.Helper()
	attached := filepath.Join(t.TempDir(), "volume")
	if err := os.Symlink(filepath.Join(dir, "volumes", id), attached); err != nil {
		t.Fatal(err)
	}
	bytes, _ := brokeragent.VolumeAt(attached).Bytes()
	return bytes
}

func TestVolumes_TellTheAgentHowLargeTheyAre(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := openPlatform(t, dir)
	defer p.Close()
	token := cluster.Token{ClusterID: "c", NodeID: 1}
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: token, SizeGiB: 100})
	if err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, dir, v.ID); size != 100<<30 {
		t.Errorf("100 GiB are %d bytes", size)
	}
	if err := p.Volumes.GrowVolume(t.Context(), v.ID, cluster.VolumeShape{SizeGiB: 110}); err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, dir, v.ID); size != 110<<30 {
		t.Errorf("grown to 110 GiB, it has %d bytes", size)
	}
	if err := p.Volumes.DeleteVolume(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "volumes")); err != nil || len(left) != 0 {
		t.Errorf("left of a volume that was deleted: %v (%v)", left, err)
	}
	if again, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: token, SizeGiB: 20}); err != nil || again.SizeGiB != 20 {
		t.Errorf("the next of the same token: %+v, %v", again, err)
	}
}

func TestVolumes_MadeWhileSizesMeantNothingGetThoseOfTheRecordsOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := openPlatform(t, dir)
	defer p.Close()
	node := func(id int32, volume string, size int) cluster.Node {
		return cluster.Node{ClusterID: "c", ID: id, Volume: &cluster.Volume{ID: volume, SizeGiB: size}}
	}
	for _, id := range []string{"vol-1", "vol-2"} {
		if err := os.Mkdir(filepath.Join(dir, "volumes", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, records := range [][]cluster.Node{
		{node(1, "vol-1", 100), node(2, "vol-2", 0), node(3, "vol-3", 100), {ClusterID: "c", ID: 4}},
		{node(1, "vol-1", 50), node(2, "vol-2", 200), node(3, "vol-3", 100)},
	} {
		if err := p.Volumes.SizeVolumes(records); err != nil {
			t.Fatal(err)
		}
	}
	if one, two := sizeOf(t, dir, "vol-1"), sizeOf(t, dir, "vol-2"); one != 100<<30 || two != 200<<30 {
		t.Errorf("the volumes have %d and %d bytes", one, two)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "volumes")); err != nil || len(entries) != 4 {
		t.Errorf("a volume that is gone has a size: %v (%v)", entries, err)
	}
}

func TestVolumes_GetTheirSizesBackWhenNobodyCanReadThem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := openPlatform(t, dir)
	defer p.Close()
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}, SizeGiB: 100})
	if err != nil {
		t.Fatal(err)
	}
	nodes := []cluster.Node{{ClusterID: "c", ID: 1, Volume: &v}}
	for _, garbage := range []string{"", "a lot\n", "-1\n", "1e12\n", "99999999999999999999\n"} {
		for name, mend := range map[string]func() error{
			"the next start":  func() error { return p.Volumes.SizeVolumes(nodes) },
			"the next growth": func() error { return p.Volumes.GrowVolume(t.Context(), v.ID, cluster.VolumeShape{SizeGiB: 100}) },
		} {
			if err := os.WriteFile(filepath.Join(dir, "volumes", v.ID+".size"), []byte(garbage), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := mend(); err != nil || sizeOf(t, dir, v.ID) != 100<<30 {
				t.Errorf("of %q %s makes %d: %v", garbage, name, sizeOf(t, dir, v.ID), err)
			}
		}
	}
}

func TestVolumes_HaveSmallerGiBWhereTestsFillThem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, err := local.Open(local.Config{Layout: local.Layout{Dir: dir}, Region: "us-east-1", GiB: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}, SizeGiB: 100})
	if err != nil {
		t.Fatal(err)
	}
	grown, err := p.Volumes.VolumeGrown(t.Context(), v.ID, cluster.VolumeShape{SizeGiB: 100, ThroughputMiB: 300})
	if size := sizeOf(t, dir, v.ID); err != nil || !grown || size != 100<<20 {
		t.Errorf("100 GiB are %d bytes, grown %t (%v)", size, grown, err)
	}
}
