package provisioning_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

func (s *site) access(t *testing.T) records.KafkaAccess {
	t.Helper()
	a, err := s.records.KafkaAccess(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRenewKafkaAccess_IssuesACertificateForADay(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster")
	answer, err := s.call(t, "RenewKafkaAccess", 0)
	if err != nil || answer != "{}" {
		t.Fatalf("%s, %v", answer, err)
	}
	a := s.access(t)
	pair, err := tls.X509KeyPair([]byte(a.Certificate), []byte(a.Key))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.records.Cluster(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.Authority))
	for _, tt := range []struct {
		at   time.Time
		good bool
	}{{s.now, true}, {s.now.Add(24*time.Hour - time.Second), true}, {s.now.Add(24*time.Hour + time.Second), false}} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{
			Roots: roots, CurrentTime: tt.at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if good := err == nil; good != tt.good {
			t.Errorf("%s from now it is good: %t (%v)", tt.at.Sub(s.now), good, err)
		}
	}
	if pair.Leaf.Subject.CommonName != brokerconfig.InternalUser || !pair.Leaf.NotAfter.Equal(a.Ends) {
		t.Errorf("it is for %s until %s, recorded as until %s", pair.Leaf.Subject.CommonName, pair.Leaf.NotAfter, a.Ends)
	}
}

func TestRenewKafkaAccess_RenewsWhenHalfADayIsLeft(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster", "RenewKafkaAccess")
	first := s.access(t)
	s.now = s.now.Add(12*time.Hour - time.Second)
	s.do(t, 0, "RenewKafkaAccess")
	if s.access(t) != first {
		t.Error("renewed while more than half a day was left")
	}
	s.now = s.now.Add(time.Second)
	s.do(t, 0, "RenewKafkaAccess")
	if second := s.access(t); second.Key == first.Key || !second.Ends.Equal(s.now.Add(24*time.Hour)) {
		t.Errorf("half a day before the end it is left until %s", second.Ends)
	}
}

func TestRenewKafkaAccess_KeepsThePasswordOfNodesThatTalkPlainly(t *testing.T) {
	s := openSite(t, func(spec *cluster.Spec) { spec.InCluster = false })
	s.do(t, 0, "PlanCluster", "RenewKafkaAccess", "RenewKafkaAccess")
	a := s.access(t)
	password, err := s.Secret(t.Context(), "c/internal-password")
	if err != nil || a.Password != password || a.User != brokerconfig.InternalUser || a.Key != "" {
		t.Errorf("%v, %s, %v", a, a.User, err)
	}
}

func TestRenewKafkaAccess_NeedsTheClustersSecrets(t *testing.T) {
	for _, inCluster := range []bool{true, false} {
		s := openSite(t, func(spec *cluster.Spec) { spec.InCluster = inCluster })
		_, err := s.call(t, "RenewKafkaAccess", 0)
		wantCode(t, err, fault.NotFound)
	}
}

func TestKafkaAccess_ShowsNoSecret(t *testing.T) {
	a := records.KafkaAccess{Certificate: "hidden", Key: "hidden", User: "hidden", Password: "hidden"}
	if text := fmt.Sprintf("%v %+v %#v %s %v", a, a, a, a, a.LogValue()); strings.Contains(text, "hidden") {
		t.Error(text)
	}
}
