package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/cluster"
)

// bringVolumes does on all hosts what root's part of the agent does on one.
func (h *hosts) bringVolumes() error {
	for _, instance := range h.ids() {
		one := h.find(instance)
		if disks := h.d.rules.Disks(instance); one != nil && len(disks) > 0 {
			if err := h.bring(one, disks); err != nil {
				return fmt.Errorf("log volume of %s: %w", instance, err)
			}
		}
	}
	return nil
}

// bring mounts a host's log volume once all is there that it is made of, joins what is new, leaves what is not needed any more, and
// says so where the agent reads it. A new volume waits until the agent has named it. One directory is in the place of the file system.
func (h *hosts) bring(one *host, disks []awsrules.Disk) error {
	first := disks[0].Volume
	if _, err := os.Stat(one.file(filepath.Base(one.volumePlace()))); err != nil || disks[0].Device != awsrules.FirstDevice {
		return nil // it boots still, or the first is on its way
	}
	v := h.logVolumes[first]
	if v == nil {
		named, _ := os.ReadFile(one.file(brokeragent.FirstVolumeFile)) // there is none before the agent has a spec
		if strings.TrimSpace(string(named)) != first {
			return nil
		}
		v = &awsrules.LogVolume{}
		h.logVolumes[first] = v
	}
	if missing := v.Take(disks); len(missing) > 0 {
		if one.mounted {
			return fmt.Errorf("%q were taken away with records on them", missing)
		}
		return nil
	}
	if !one.mounted {
		dir := filepath.Join(h.d.dir, "volumes", first)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := one.mount(dir, one.volumePlace()); err != nil {
			return err
		}
		one.mounted = true
	}
	return one.tell(*v)
}

// tell says on a host how large its log volume is, and what it is made of.
func (o *host) tell(v awsrules.LogVolume) error {
	record, err := json.Marshal(map[string][]string{"volumes": v.Parts, "left": v.Left})
	if err != nil {
		return err
	}
	size := fmt.Sprintln(int64(v.GiB) << 30)
	if told := size + string(record); told == o.told {
		return nil
	}
	for path, content := range map[string]string{
		brokeragent.VolumeSizeFile("volume"): size,
		"log-volume.json":                    string(record),
	} {
		if err := os.WriteFile(o.file(path+".new"), []byte(content), 0o644); err != nil {
			return err
		}
		if err := os.Rename(o.file(path+".new"), o.file(path)); err != nil {
			return err
		}
	}
	o.told = size + string(record)
	return nil
}

// file is one on the host's own disk.
func (o *host) file(name string) string {
	return filepath.Join("/proc", fmt.Sprint(o.init.Process.Pid), "root", o.disk(), name)
}

// LetVolumesRest lets the hours pass after which EBS takes changes of all volumes again.
func (d *Deployment) LetVolumesRest() { d.rules.LetVolumesRest() }

// isOfRecords tells whether what is attached under a name is no disk of the system's own, such as /dev/xvda or /dev/sda1.
func isOfRecords(device string) bool {
	return strings.HasPrefix(device, "/dev/sd") && device >= awsrules.FirstDevice
}

// LogVolumes are the sizes in GiB of all volumes that brokers have for records, the smallest first.
func (d *Deployment) LogVolumes() []int {
	d.t.Helper()
	found, err := ec2.NewFromConfig(d.rules.Config).DescribeVolumes(d.ctx, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	var sizes []int
	for _, v := range found.Volumes {
		if len(v.Attachments) > 0 && !isOfRecords(aws.ToString(v.Attachments[0].Device)) {
			continue
		}
		for _, t := range v.Tags {
			if node, err := strconv.Atoi(aws.ToString(t.Value)); err == nil && aws.ToString(t.Key) == "millrace:node" && node < int(cluster.FirstController) {
				sizes = append(sizes, int(aws.ToInt32(v.Size)))
			}
		}
	}
	slices.Sort(sizes)
	return sizes
}
