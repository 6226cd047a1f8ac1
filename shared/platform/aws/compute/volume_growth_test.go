package compute_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

func gib(n int) cluster.VolumeShape { return cluster.VolumeShape{SizeGiB: n} }

// wantGrown checks whether a volume is as large as it was to be.
func (c cloud) wantGrown(t *testing.T, id string, gib int, want bool) {
	t.Helper()
	if grown, err := c.Volumes.VolumeGrown(t.Context(), id, cluster.VolumeShape{SizeGiB: gib}); err != nil || grown != want {
		t.Errorf("volume %s of %d GiB is there: %t, %v; want %t", id, gib, grown, err, want)
	}
}

func (c cloud) waitGrown(t *testing.T, id string, gib int) {
	t.Helper()
	c.waitFor(t, id, cluster.VolumeShape{SizeGiB: gib})
}

func (c cloud) waitFor(t *testing.T, id string, want cluster.VolumeShape) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		grown, err := c.Volumes.VolumeGrown(t.Context(), id, want)
		if err != nil {
			t.Fatal(err)
		}
		if grown {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("volume %s has not become one of %s", id, want)
		}
	}
}

func TestGrowVolume_IsDoneOnceHoweverOftenItIsAskedFor(t *testing.T) {
	c := open(t, awsrules.Config{ModifyingFor: 100 * time.Millisecond, OptimizingFor: long, ChangesAgainAfter: long})
	v := c.volume(t)
	c.wantGrown(t, v.ID, 10, true)
	c.wantGrown(t, v.ID, 20, false)
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	c.wantGrown(t, v.ID, 20, false)
	wantCode(t, "grow while it grows", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	c.waitGrown(t, v.ID, 20)
	wantCode(t, "grow what has grown", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantCode(t, "grow to less", c.Volumes.GrowVolume(t.Context(), v.ID, gib(15)), "")
	if n := c.rules.Count("ec2:ModifyVolume"); n != 1 {
		t.Errorf("ModifyVolume was called %d times", n)
	}
}

func TestGrowVolume_AgainIsSuccessAlsoWhenTheAnswerWasLost(t *testing.T) {
	c := open(t, awsrules.Config{ModifyingFor: long})
	v := c.volume(t)
	c.rules.Fail("ec2:ModifyVolume", awsrules.LostAnswer, 1)
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantCode(t, "grow to more meanwhile", c.Volumes.GrowVolume(t.Context(), v.ID, gib(40)), fault.Conflict)
}

// wantRest checks that a volume is refused a change because it rests, and that the refusal says what is to be known.
func wantRest(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	wantCode(t, what, err, fault.Conflict)
	if fault.ReasonOf(err) != cluster.VolumeRests {
		t.Errorf("%s: the reason is %q", what, fault.ReasonOf(err))
	}
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%s: it does not say %q: %v", what, w, err)
		}
	}
}

func TestGrowVolume_SaysWhenEBSTakesNoChangeYet(t *testing.T) {
	c := open(t, awsrules.Config{ChangesAgainAfter: long})
	v := c.volume(t)
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantRest(t, "grow again", c.Volumes.GrowVolume(t.Context(), v.ID, gib(40)), v.ID+" was changed at 20", "try again at 20", "at the latest")
	c.wantGrown(t, v.ID, 20, true)
	c.rules.LetVolumesRest()
	wantCode(t, "grow later", c.Volumes.GrowVolume(t.Context(), v.ID, gib(40)), "")
	c.waitGrown(t, v.ID, 40)
}

// EBS takes four changes a day, and the next only once the last has ended, which can take hours.
func TestGrowVolume_RestsBetweenChangesAlsoWhereEBSTakesMoreOfThem(t *testing.T) {
	c := open(t, awsrules.Config{OptimizingFor: long, ChangesAgainAfter: 24 * time.Hour, MostChanges: 2})
	v := c.volume(t)
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantRest(t, "grow while EBS is not done", c.Volumes.GrowVolume(t.Context(), v.ID, gib(40)), v.ID+" is still being changed, since 20")
	c.wantGrown(t, v.ID, 20, true)

	c = open(t, awsrules.Config{ChangesAgainAfter: 24 * time.Hour, MostChanges: 2})
	v = c.volume(t)
	for size := 20; size <= 30; size += 10 {
		wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(size)), "")
	}
	wantRest(t, "grow too often", c.Volumes.GrowVolume(t.Context(), v.ID, gib(40)), "four changes of a volume in 24 hours")
}

func TestGrowVolume_BeginsAgainWhatEBSGaveUp(t *testing.T) {
	c := open(t, awsrules.Config{})
	v := c.volume(t)
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	c.rules.FailChange(v.ID)
	_, err := c.Volumes.VolumeGrown(t.Context(), v.ID, gib(20))
	wantCode(t, "a change that EBS gave up", err, fault.Unavailable)
	wantCode(t, "grow again", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	c.waitGrown(t, v.ID, 20)
}

func TestGrowVolume_OfAVolumeThatIsNotThereIsNotFound(t *testing.T) {
	c := open(t, awsrules.Config{})
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), "vol-0123456789abcdef0", gib(20)), fault.NotFound)
	_, err := c.Volumes.VolumeGrown(t.Context(), "vol-0123456789abcdef0", gib(20))
	wantCode(t, "look", err, fault.NotFound)
}

// The seconds in which EBS takes a volume nowhere pass by themselves.
func TestAttachVolume_OfAVolumeThatIsBeingChangedMayBeTriedAgain(t *testing.T) {
	c := open(t, awsrules.Config{ModifyingFor: 200 * time.Millisecond})
	v, h := c.volume(t), c.host(t, launch)
	wantCode(t, "grow", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), v.ID, h.ID), fault.Unavailable)
	c.waitGrown(t, v.ID, 20)
	wantCode(t, "attach again", c.Volumes.AttachVolume(t.Context(), v.ID, h.ID), "")
}

func TestGrowVolume_GivesAVolumeItsThroughput(t *testing.T) {
	c := open(t, awsrules.Config{ModifyingFor: 100 * time.Millisecond})
	v := c.volume(t)
	fast := cluster.VolumeShape{SizeGiB: 20, ThroughputMiB: 1000} // which takes more operations a second than a volume has by itself
	wantCode(t, "grow and speed up", c.Volumes.GrowVolume(t.Context(), v.ID, fast), "")
	wantCode(t, "while that goes on", c.Volumes.GrowVolume(t.Context(), v.ID, fast), "")
	c.waitFor(t, v.ID, fast)
	c.wantGrown(t, v.ID, 20, true)
	if again := c.volume(t); again.Shape() != fast {
		t.Errorf("the volume is found with %s, want %s", again.Shape(), fast)
	}
	slower := cluster.VolumeShape{SizeGiB: 20, ThroughputMiB: 250}
	wantCode(t, "slow down, at the same size", c.Volumes.GrowVolume(t.Context(), v.ID, slower), "")
	c.waitFor(t, v.ID, slower)
	plain := cluster.VolumeShape{SizeGiB: 20, ThroughputMiB: cluster.BaseThroughputMiB}
	wantCode(t, "give up throughput", c.Volumes.GrowVolume(t.Context(), v.ID, plain), "")
	c.waitFor(t, v.ID, plain)
	wantCode(t, "grow without a word about throughput", c.Volumes.GrowVolume(t.Context(), v.ID, gib(20)), "")
	if n := c.rules.Count("ec2:ModifyVolume"); n != 3 {
		t.Errorf("ModifyVolume was called %d times", n)
	}
}

// What a volume has beyond what it has by itself is paid for.
func TestGrowVolume_TakesBackTheOperationsThatCameWithAThroughputAndNoOthers(t *testing.T) {
	c := open(t, awsrules.Config{})
	v := c.volume(t)
	api := ec2.NewFromConfig(c.rules.Config)
	becomes := func(throughput int, iops int32) {
		t.Helper()
		want := cluster.VolumeShape{SizeGiB: 10, ThroughputMiB: throughput}
		wantCode(t, "change throughput", c.Volumes.GrowVolume(t.Context(), v.ID, want), "")
		c.waitFor(t, v.ID, want)
		out, err := api.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{v.ID}})
		if err != nil {
			t.Fatal(err)
		}
		if has := aws.ToInt32(out.Volumes[0].Iops); has != iops {
			t.Errorf("at %d MiB/s it has %d operations a second, want %d", throughput, has, iops)
		}
	}
	becomes(1000, 4000)
	becomes(800, 3200)
	becomes(cluster.BaseThroughputMiB, 3000)
	if _, err := api.ModifyVolume(t.Context(), &ec2.ModifyVolumeInput{VolumeId: &v.ID, Iops: aws.Int32(3500)}); err != nil {
		t.Fatal(err)
	}
	becomes(250, 3500) // somebody wants them
	becomes(1000, 4000)
}

func TestEnsureVolume_GivesAVolumeItsThroughput(t *testing.T) {
	c := open(t, awsrules.Config{})
	request := c.volumeRequest(t)
	request.ThroughputMiB = 1000
	v, err := c.Volumes.EnsureVolume(t.Context(), request)
	wantCode(t, "make a fast volume", err, "")
	again, err := c.Volumes.EnsureVolume(t.Context(), request)
	wantCode(t, "make it again", err, "")
	if v.ThroughputMiB != 1000 || !reflect.DeepEqual(again, v) {
		t.Errorf("made %+v, found %+v", v, again)
	}
}
