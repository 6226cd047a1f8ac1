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

// VolumeAt is a volume that appears at a path.
type VolumeAt string

// VolumeSizeFile is the file in which a platform says how many bytes a volume that is a directory may hold. It is replaced when the
// volume grows.
func VolumeSizeFile(volume string) string { return volume + ".size" }

// Bytes implements [VolumeLimit].
func (path VolumeAt) Bytes() (bytes int64, known bool) {
	volume := string(path)
	if target, err := os.Readlink(volume); err == nil {
		volume = target
	}
	content, err := os.ReadFile(VolumeSizeFile(volume))
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
