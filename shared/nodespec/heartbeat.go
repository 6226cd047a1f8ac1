package nodespec

import (
	"encoding/json"
	"strings"
	"time"
)

// From here on a host needs somebody's attention although its node still runs.
const (
	// NearlyFullPercent leaves, at a disk that fills in a day, three and a half hours to react.
	NearlyFullPercent = 85
	// NearItsEnd is how long before its end a certificate should have been renewed: long enough for a holiday.
	NearItsEnd = 30 * 24 * time.Hour
)

// UsedPercent is how full the disk is, from 0 to 100; 0 when its size is not known.
func (d Disk) UsedPercent() float64 {
	if d.TotalBytes <= 0 {
		return 0
	}
	return 100 * float64(d.UsedBytes) / float64(d.TotalBytes)
}

// DiskNearlyFull tells whether the log volume was nearly full; false when it was not seen.
func (b Heartbeat) DiskNearlyFull() bool {
	return b.Disk != nil && b.Disk.UsedPercent() >= NearlyFullPercent
}

// CertificateNearItsEnd tells whether the certificate had less than a month to go when the heartbeat was made.
func (b Heartbeat) CertificateNearItsEnd() bool {
	return b.CertificateEnds != nil && b.CertificateEnds.Sub(b.At) < NearItsEnd
}

// Within shortens the reason as far as the heartbeat has to be shortened to take at most size bytes. Nothing else in it is
// long: a heartbeat of a node of 60 brokers takes some 700 bytes, its signing request aside.
func (b Heartbeat) Within(size int) Heartbeat {
	document, err := json.Marshal(b)
	over := len(document) - size
	if err != nil || over <= 0 || b.Reason == "" {
		return b
	}
	const cut = "…"
	// Each byte of text takes at least one byte of JSON.
	keep := max(0, len(b.Reason)-over-len(cut))
	b.Reason = strings.ToValidUTF8(b.Reason[:keep], "") + cut
	return b
}
