package mskapi_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/mskapi"
)

var scope = mskapi.Scope{Partition: "aws", Region: testRegion, Account: "123456789012"}

func TestARN_WhatIsBuiltCanBeRead(t *testing.T) {
	id, err := mskapi.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const operation = "0198f2a4-7c1e-7d50-9c11-6a0e5b1d2f3a"
	name := strings.Repeat("a", 64)

	c, err := scope.ParseCluster("clusterArn", scope.ClusterARN(name, id))
	if err != nil || c != (mskapi.ResourceName{Kind: "cluster", Name: name, ID: id}) {
		t.Errorf("got %+v, %v", c, err)
	}
	o, err := scope.ParseOperation("clusterOperationArn", scope.OperationARN(name, id, operation))
	if err != nil || o != (mskapi.ResourceName{Kind: "cluster-operation", Name: name, ID: id, OperationID: operation}) {
		t.Errorf("got %+v, %v", o, err)
	}
	f, err := scope.ParseConfiguration("arn", scope.ConfigurationARN(name, id))
	if err != nil || f != (mskapi.ResourceName{Kind: "configuration", Name: name, ID: id}) {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestARN_HasMSKsForm(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555-2"
	for _, tt := range []struct{ got, want string }{
		{scope.ClusterARN("demo", id), clusterARN},
		{scope.ConfigurationARN("conf", id), configurationARN},
		{scope.OperationARN("demo", id, "99999999-2222-3333-4444-555555555555"), operationARN},
		{scope.NodeARN("demo", id, 3), "arn:aws:kafka:eu-west-1:123456789012:broker/demo/" + id + "/3"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestARN_ForeignAndMalformedOnesAreBadRequests(t *testing.T) {
	for _, arn := range []string{
		"",
		"demo",
		"arn:aws:kafka",
		configurationARN,
		operationARN,
		clusterARN + "/nodes",
		strings.TrimSuffix(clusterARN, "-2"),
		strings.Replace(clusterARN, "demo", "", 1),
		strings.Replace(clusterARN, "demo", "de_mo", 1),
		strings.Replace(clusterARN, "demo", strings.Repeat("a", 65), 1),
		strings.Replace(clusterARN, "1111", "zzzz", 1),
		strings.Replace(clusterARN, "kafka", "s3", 1),
		strings.Replace(clusterARN, "arn:aws:", "arn:aws-cn:", 1),
		strings.Replace(clusterARN, testRegion, "us-east-1", 1),
		strings.Replace(clusterARN, "123456789012", "123456789013", 1),
		clusterARN + "\n",
	} {
		_, err := scope.ParseCluster("clusterArn", arn)
		wantCode(t, arn, err, mskapi.CodeBadRequest, "clusterArn")
	}
	_, err := scope.ParseOperation("clusterOperationArn", operationARN+"0")
	wantCode(t, "operation", err, mskapi.CodeBadRequest, "clusterOperationArn")
}

func TestIDs_HaveMSKsForm(t *testing.T) {
	idForm := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-([1-9]|1[0-9]|2[0-6])$`)
	versionForm := regexp.MustCompile(`^K[0-9A-Z]{13}$`)
	seen := map[string]bool{}
	for range 1000 {
		id, err := mskapi.NewID(rand.Reader)
		if err != nil || !idForm.MatchString(id) {
			t.Fatalf("got %q, %v", id, err)
		}
		version, err := mskapi.NewClusterVersion(rand.Reader)
		if err != nil || !versionForm.MatchString(version) {
			t.Fatalf("got %q, %v", version, err)
		}
		if seen[id] || seen[version] {
			t.Fatalf("%s or %s came twice", id, version)
		}
		seen[id], seen[version] = true, true
	}
}

func TestIDs_AreAsRandomAsTheirSource(t *testing.T) {
	source := func() io.Reader { return bytes.NewReader(bytes.Repeat([]byte{0xab}, 64)) }
	a, _ := mskapi.NewClusterVersion(source())
	b, _ := mskapi.NewClusterVersion(source())
	if a != b {
		t.Errorf("one source gave %s and %s", a, b)
	}
	if _, err := mskapi.NewClusterVersion(bytes.NewReader(nil)); err == nil {
		t.Error("a dry source gave a version")
	}
	if _, err := mskapi.NewID(bytes.NewReader(nil)); err == nil {
		t.Error("a dry source gave an id")
	}
}
