package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
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

// partsOf is what an agent tells of the log volume of a host.
func partsOf(dir, hostID string) (volumes, left []string, gib int64) {
	at := brokeragent.VolumeAt(filepath.Join(dir, "hosts", hostID, "volume"))
	volumes, left = at.Parts()
	bytes, _ := at.Bytes()
	return volumes, left, bytes >> 30
}

func TestVolumes_AddUpWhileFurtherOnesAreNeeded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := openPlatform(t, dir)
	defer p.Close()
	const host = "h-1"
	home := filepath.Join(dir, "hosts", host) // of a host that nothing runs on
	if err := errors.Join(os.MkdirAll(home, 0o700), os.WriteFile(filepath.Join(home, "host.json"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 3)
	for number, whole := range []int{0, 20, 40} {
		v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{
			Token: cluster.Token{ClusterID: "c", NodeID: 1, Volume: number}, SizeGiB: max(10, whole/2), WholeGiB: whole,
		})
		if err == nil {
			err = p.Volumes.AttachVolume(t.Context(), v.ID, host)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids[number] = v.ID
	}
	want := func(what string, wantVolumes, wantLeft []string, wantGiB int64) {
		t.Helper()
		if volumes, left, gib := partsOf(dir, host); !slices.Equal(volumes, wantVolumes) || !slices.Equal(left, wantLeft) || gib != wantGiB {
			t.Errorf("%s: made of %q, left are %q, %d GiB", what, volumes, left, gib)
		}
	}
	want("all are attached", ids, nil, 40)
	for _, step := range []struct {
		gib           int
		volumes, left []string
		whole         int64
	}{
		{19, ids, nil, 49},
		{20, []string{ids[0], ids[2]}, ids[1:2], 40},
		{40, ids[:1], ids[1:], 40},
	} {
		if err := p.Volumes.GrowVolume(t.Context(), ids[0], cluster.VolumeShape{SizeGiB: step.gib}); err != nil {
			t.Fatal(err)
		}
		want(fmt.Sprintf("the first has %d GiB", step.gib), step.volumes, step.left, step.whole)
	}
	for number := 1; number <= 2; number++ {
		err := errors.Join(p.Volumes.DetachVolume(t.Context(), ids[number], host),
			p.Volumes.DeleteVolume(t.Context(), cluster.Token{ClusterID: "c", NodeID: 1, Volume: number}))
		if err != nil {
			t.Fatal(err)
		}
	}
	want("the further ones are gone", ids[:1], nil, 40)
	if entries, err := os.ReadDir(filepath.Join(dir, "volumes")); err != nil || len(entries) != 3 {
		t.Errorf("left beside a volume, its size and when it was changed: %v (%v)", entries, err)
	}
}

func TestVolumes_RestAfterAChangeWhereTestsWantIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, err := local.Open(local.Config{Layout: local.Layout{Dir: dir}, Region: "us-east-1", VolumeRests: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}, SizeGiB: 10})
	if err != nil {
		t.Fatal(err)
	}
	grow := func(gib int) error {
		return p.Volumes.GrowVolume(t.Context(), v.ID, cluster.VolumeShape{SizeGiB: gib})
	}
	if err := errors.Join(grow(20), grow(20)); err != nil {
		t.Error(err)
	}
	if err := grow(30); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != cluster.VolumeRests {
		t.Errorf("grow again: %v", err)
	}
	earlier := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "volumes", v.ID+".changed"), earlier, earlier); err != nil {
		t.Fatal(err)
	}
	if err := grow(30); err != nil || sizeOf(t, dir, v.ID) != 30<<30 {
		t.Errorf("grow later: %v", err)
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

func TestVolumes_GetBackWhatNobodyCanReadOfThem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := openPlatform(t, dir)
	defer p.Close()
	first, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}, SizeGiB: 100})
	if err != nil {
		t.Fatal(err)
	}
	further, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{
		Token: cluster.Token{ClusterID: "c", NodeID: 1, Volume: 2}, SizeGiB: 7, WholeGiB: 107,
	})
	if err != nil {
		t.Fatal(err)
	}
	recorded := first
	recorded.Further = []cluster.FurtherVolume{
		{Number: 2, ID: further.ID, SizeGiB: 7, WholeGiB: 107}, {Number: 3, SizeGiB: 7}, {Number: 4, ID: "vol-gone", SizeGiB: 7},
	}
	nodes := []cluster.Node{{ClusterID: "c", ID: 1, Volume: &recorded}}
	file := func(name string) string { return filepath.Join(dir, "volumes", name) }
	for _, garbage := range []string{"", "a lot\n", "-1\n", "1e12\n", "99999999999999999999\n"} {
		for name, mend := range map[string]func() error{
			"the next start":  func() error { return p.Volumes.SizeVolumes(nodes) },
			"the next growth": func() error { return p.Volumes.GrowVolume(t.Context(), first.ID, cluster.VolumeShape{SizeGiB: 100}) },
		} {
			if err := os.WriteFile(file(first.ID+".size"), []byte(garbage), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := mend(); err != nil || sizeOf(t, dir, first.ID) != 100<<30 {
				t.Errorf("of %q %s makes %d: %v", garbage, name, sizeOf(t, dir, first.ID), err)
			}
		}
		for _, what := range []string{".size", ".whole"} {
			if err := os.WriteFile(file(further.ID+what), []byte(garbage), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := p.Volumes.SizeVolumes(nodes)
		whole, _ := os.ReadFile(file(further.ID + ".whole"))
		if err != nil || sizeOf(t, dir, further.ID) != 7<<30 || strings.TrimSpace(string(whole)) != strconv.Itoa(107<<30) {
			t.Errorf("of %q the next start makes %d of %s: %v", garbage, sizeOf(t, dir, further.ID), whole, err)
		}
	}
}
