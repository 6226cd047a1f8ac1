package brokeragent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/millrace/millrace/shared/nodespec"
)

// files are what Kafka reads when it starts.
type files struct {
	properties []byte
	keystore   []byte // empty where nothing speaks TLS
	truststore []byte
}

func renderFiles(spec nodespec.Spec, h home, keys keyPair, volume string) files {
	f := files{properties: renderProperties(spec.Properties, strings.NewReplacer(
		nodespec.VolumePath, volume,
		nodespec.KeystorePath, h.keystore(),
		nodespec.TruststorePath, h.truststore(),
	))}
	if spec.Certificate != "" {
		f.keystore = keys.keystore(spec.Certificate)
	}
	if spec.Authority != "" {
		f.truststore = []byte(spec.Authority)
	}
	return f
}

func (f files) write(h home) error {
	for path, content := range map[string][]byte{
		h.properties(): f.properties,
		h.keystore():   f.keystore,
		h.truststore(): f.truststore,
	} {
		// What is there already needs no room on a disk that may be full.
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
			continue
		}
		if err := writePrivately(path, content); err != nil {
			return fmt.Errorf("write Kafka's files: %w", err)
		}
	}
	return nil
}

// digest stands for everything a Kafka process is started with. It is part of the process's command line, so any agent
// can tell from the process table alone whether what runs is what the spec asks for.
func (f files) digest(spec nodespec.Spec) string {
	all := []any{spec.Release, spec.JVM, f.properties, f.keystore, f.truststore}
	if spec.Restarts > 0 { // so that a restart is asked for in a way that no agent can miss, or follow twice
		all = append(all, spec.Restarts)
	}
	content, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings, numbers and bytes always have a JSON form
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// renderProperties writes a Java properties file, sorted, with values' placeholders replaced.
func renderProperties(properties map[string]string, placeholders *strings.Replacer) []byte {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		b.WriteString(escape(key, true))
		b.WriteByte('=')
		b.WriteString(escape(placeholders.Replace(properties[key]), false))
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// escape writes a key or a value so that java.util.Properties reads the same text again: its files are Latin-1, a
// backslash escapes, spaces before a value are dropped and a key ends at the first space, '=' or ':'.
func escape(text string, isKey bool) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' && (isKey || i == 0), isKey && strings.ContainsRune("=:#!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > '~':
			writeUTF16(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// writeUTF16 writes a character as Java's Unicode escapes: one, or two for what lies beyond the basic plane.
func writeUTF16(b *strings.Builder, r rune) {
	for _, unit := range utf16.Encode([]rune{r}) {
		fmt.Fprintf(b, `\u%04X`, unit)
	}
}
