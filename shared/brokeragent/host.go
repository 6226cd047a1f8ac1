package brokeragent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Host is what a platform on one machine writes into a host's directory, as host.json, before it starts the agent there.
// It holds paths only; the one secret, the token, is in a file of its own.
type Host struct {
	HostID string `json:"hostId"`
	// Volume is the path at which the log volume appears (a directory or a link to one) once it is attached. How large it is
	// stands beside the directory; see [VolumeSizeFile].
	Volume string `json:"volume"`
	// EndpointFile holds the base URL of the mailbox and is replaced when it moves; TokenFile, mode 0600, this host's
	// token for it.
	EndpointFile string `json:"endpointFile"`
	TokenFile    string `json:"tokenFile"`
	// Kafka is the directory of Kafka installations that the machine's hosts share.
	Kafka string `json:"kafka"`
}

func hostFile(dir string) string { return filepath.Join(dir, "host.json") }

// ReadHost reads the description of a host from its directory.
func ReadHost(dir string) (Host, error) {
	content, err := os.ReadFile(hostFile(dir))
	if err != nil {
		return Host{}, fmt.Errorf("host description: %w", err)
	}
	var h Host
	if err := json.Unmarshal(content, &h); err != nil {
		return Host{}, fmt.Errorf("host description %s: %w", hostFile(dir), err)
	}
	if h.HostID == "" || h.Volume == "" || h.EndpointFile == "" || h.TokenFile == "" || h.Kafka == "" {
		return Host{}, fmt.Errorf("host description %s is not complete: %+v", hostFile(dir), h)
	}
	return h, nil
}

// Write puts the description of a host into its directory, which exists.
func (h Host) Write(dir string) error {
	content, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	return writePrivately(hostFile(dir), append(content, '\n'))
}

// VolumeAt is a volume that appears at a path. Further volumes appear beside it, at [FurtherVolumes].
type VolumeAt string

// FurtherVolumes is the directory in which further volumes appear beside a volume: links to directories, by the volumes' ids.
func FurtherVolumes(path string) string { return path + "s-further" }

// VolumeSizeFile is the file in which a platform says how many bytes a volume that is a directory may hold. It is replaced when the
// volume grows.
func VolumeSizeFile(volume string) string { return volume + ".size" }

// VolumeWholeFile is the file in which a platform says, of a further volume, how many bytes the first one has to hold for the further
// one not to be needed any more.
func VolumeWholeFile(volume string) string { return volume + ".whole" }

// Bytes implements [VolumeLimit]: a log volume has the size of all the volumes that it is made of.
func (path VolumeAt) Bytes() (bytes int64, known bool) {
	bytes, known = bytesIn(VolumeSizeFile(path.directory()))
	if !known {
		return 0, false
	}
	used, _ := path.further(bytes)
	for _, volume := range used {
		if more, known := bytesIn(VolumeSizeFile(volume)); known {
			bytes += more
		}
	}
	return bytes, true
}

// Parts implements [VolumeParts]. Nothing has to be moved where a volume is a directory: a further one is left as soon as the first
// holds as much as both together.
func (path VolumeAt) Parts() (volumes, left []string) {
	first, known := bytesIn(VolumeSizeFile(path.directory()))
	if !known {
		return nil, nil
	}
	used, unused := path.further(first)
	volumes = append(volumes, filepath.Base(path.directory()))
	for _, volume := range used {
		volumes = append(volumes, filepath.Base(volume))
	}
	for _, volume := range unused {
		left = append(left, filepath.Base(volume))
	}
	return volumes, left
}

// directory is that of the volume itself, which may appear as a link.
func (path VolumeAt) directory() string {
	if target, err := os.Readlink(string(path)); err == nil {
		return target
	}
	return string(path)
}

// further are the directories of further volumes, in one order: those that are used beside a first one of so many bytes, and those
// that are not.
func (path VolumeAt) further(first int64) (used, left []string) {
	entries, _ := os.ReadDir(FurtherVolumes(string(path))) // there are none, or this is read again in a second
	for _, e := range entries {
		volume := VolumeAt(filepath.Join(FurtherVolumes(string(path)), e.Name())).directory()
		if whole, known := bytesIn(VolumeWholeFile(volume)); known && whole <= first {
			left = append(left, volume)
		} else {
			used = append(used, volume)
		}
	}
	return used, left
}

// bytesIn reads a file that holds a number of bytes above zero.
func bytesIn(file string) (bytes int64, known bool) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	bytes, err = strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	return bytes, err == nil && bytes > 0
}

// Volume implements [VolumeFinder].
func (path VolumeAt) Volume() (dir string, attached bool, err error) {
	info, err := os.Stat(string(path))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", false, nil
	case err != nil:
		return "", false, err
	case !info.IsDir():
		return "", false, fmt.Errorf("%s is not a directory", path)
	}
	return string(path), true, nil
}
