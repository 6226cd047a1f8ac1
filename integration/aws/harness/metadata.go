package harness

import (
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// metadata is the instance metadata service of one instance, version 2 alone: who has no token of its own is refused.
type metadata struct {
	instance, role, userData string
	credentials              instanceCredentials
	document                 map[string]string

	server *http.Server
	url    string

	mu     sync.Mutex
	tokens map[string]bool
	// refused counts questions without a token.
	refused int
}

// instanceCredentials are what an instance gets of its role, in the words of the service.
type instanceCredentials struct {
	Code, Type, AccessKeyID, SecretAccessKey, Token string
	LastUpdated, Expiration                         time.Time
}

// MarshalJSON writes AccessKeyId as AWS does.
func (c instanceCredentials) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"Code": c.Code, "Type": c.Type, "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.Token,
		"LastUpdated": c.LastUpdated, "Expiration": c.Expiration,
	})
}

func startMetadata(m *metadata) (*metadata, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m.tokens, m.url = map[string]bool{}, "http://"+listener.Addr().String()
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = m.server.Serve(listener) }() // until it is closed
	return m, nil
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	if h.Method == http.MethodPut && h.URL.Path == "/latest/api/token" {
		m.issue(w, h)
		return
	}
	m.mu.Lock()
	allowed := m.tokens[h.Header.Get("X-Aws-Ec2-Metadata-Token")]
	if !allowed {
		m.refused++
	}
	m.mu.Unlock()
	if !allowed {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	answer, known := m.answer(strings.TrimPrefix(h.URL.Path, "/latest/"))
	if !known {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	_, _ = w.Write([]byte(answer)) // an agent that is gone asks again
}

func (m *metadata) issue(w http.ResponseWriter, h *http.Request) {
	seconds := h.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds")
	if seconds == "" {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	token := rand.Text()
	m.mu.Lock()
	m.tokens[token] = true
	m.mu.Unlock()
	w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", seconds)
	_, _ = w.Write([]byte(token)) // as above
}

func (m *metadata) answer(path string) (string, bool) {
	const roles = "meta-data/iam/security-credentials/"
	switch strings.TrimSuffix(path, "/") {
	case "meta-data/instance-id":
		return m.instance, true
	case "user-data":
		return m.userData, m.userData != ""
	case strings.TrimSuffix(roles, "/"):
		return m.role, true
	case roles + m.role:
		text, _ := json.Marshal(m.credentials) // it always encodes
		return string(text), true
	case "dynamic/instance-identity/document":
		text, _ := json.Marshal(m.document) // as above
		return string(text), true
	case "meta-data/placement/region":
		return m.document["region"], true
	case "meta-data/placement/availability-zone":
		return m.document["availabilityZone"], true
	case "meta-data/local-ipv4":
		return m.document["privateIp"], true
	default:
		return "", false
	}
}
