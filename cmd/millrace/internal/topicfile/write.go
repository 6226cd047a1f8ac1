package topicfile

import (
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/millrace/millrace/shared/cluster"
)

// Document is what a document says, in either language.
type Document struct {
	Topics []cluster.DeclaredTopic `json:"topics"`
}

// Write writes a document in YAML. Read again, it declares the same.
func Write(w io.Writer, topics []cluster.DeclaredTopic) error {
	type topic struct {
		Name              string
		Partitions        int
		ReplicationFactor int               `yaml:"replicationFactor"`
		Configs           map[string]string `yaml:",omitempty"`
		Owner             string            `yaml:",omitempty"`
		Protected         bool              `yaml:",omitempty"`
	}
	document := struct{ Topics []topic }{[]topic{}}
	for _, t := range topics {
		document.Topics = append(document.Topics, topic{t.Name, t.Partitions, t.ReplicationFactor, t.Configs, t.Owner, t.Protected})
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return err
	}
	return encoder.Close()
}
