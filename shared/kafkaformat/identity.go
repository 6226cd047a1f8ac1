package kafkaformat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Read gives the identity of a log directory; ok is false when it has not been formatted. A meta.properties that can't be
// understood is an error and never "not formatted": there is data behind it.
func Read(dir string) (id Identity, ok bool, err error) {
	path := filepath.Join(dir, metaProperties)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, false, nil
	}
	if err != nil {
		return Identity{}, false, err
	}
	id, err = parseIdentity(string(text))
	if err != nil {
		return Identity{}, false, fmt.Errorf("read %s: %w", path, err)
	}
	return id, true, nil
}

// properties is the content of meta.properties. None of the values holds a character that Java's format would escape.
func (id Identity) properties() []byte {
	return fmt.Appendf(nil, "version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", id.ClusterID, id.NodeID, id.DirectoryID)
}

// parseIdentity also reads what Kafka makes of the file: it writes it again, with comments and in another order.
func parseIdentity(text string) (Identity, error) {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if key, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	if values["version"] != "1" {
		return Identity{}, fmt.Errorf("version is %q instead of 1", values["version"])
	}
	node, err := strconv.ParseInt(values["node.id"], 10, 32)
	if err != nil {
		return Identity{}, fmt.Errorf("node.id: %w", err)
	}
	id := Identity{ClusterID: values["cluster.id"], NodeID: int32(node), DirectoryID: values["directory.id"]}
	if id.ClusterID == "" || id.DirectoryID == "" {
		return Identity{}, errors.New("cluster.id or directory.id is missing")
	}
	return id, nil
}
