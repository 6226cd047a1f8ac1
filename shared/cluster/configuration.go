package cluster

import "time"

// Configuration is a named set of broker properties, in numbered revisions that are never edited.
type Configuration struct {
	ID            string    `json:"id"` // last part of the ARN
	Name          string    `json:"name"`
	ARN           string    `json:"arn"`
	CreatedAt     time.Time `json:"createdAt"`
	Description   string    `json:"description,omitempty"`
	KafkaVersions []string  `json:"kafkaVersions,omitempty"`
	// Latest is the newest revision's number; revisions count from 1.
	Latest Revision `json:"latest"`
}

// Revision is one version of a configuration's properties.
type Revision struct {
	Number      int64     `json:"number"`
	CreatedAt   time.Time `json:"createdAt"`
	Description string    `json:"description,omitempty"`
	// ServerProperties is the text exactly as it was sent. It is left out of Configuration.Latest.
	ServerProperties []byte `json:"serverProperties,omitempty"`
}
