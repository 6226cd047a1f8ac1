package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

// planeOf is a control plane that answers as a test says.
func planeOf(t *testing.T, answer http.HandlerFunc) connection {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return connection{Client: client.Client{Route: client.Route{
		Endpoint: server.URL, Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}}}
}

// Ctrl-C may come while nobody has answered yet.
func TestApply_InterruptedSaysWhetherItMayHaveBegun(t *testing.T) {
	for during, want := range map[string]string{
		"topic-plan":  "interrupted before there was a plan; nothing was changed",
		"topic-apply": "interrupted: it is unknown whether the topics of demo have begun to be applied; see with: millrace topics apply demo",
	} {
		t.Run(during, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			plane := planeOf(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, during) {
					_, _ = io.Copy(io.Discard, r.Body) // a server only hears that its client has left once it has read all of it
					interrupt()
					<-r.Context().Done()
					return
				}
				_, _ = w.Write([]byte(`{"changes": [], "unchanged": 1}`))
			})
			a := &app{output: outputTable, out: &strings.Builder{}, err: &strings.Builder{}}
			err := a.applyTopics(ctx, plane, client.Cluster{Name: "demo", ARN: "arn"}, nil, cluster.TopicPermits{}, true)
			if err == nil || err.Error() != want {
				t.Errorf("it says %v, want %s", err, want)
			}
		})
	}
}

func TestExport_OfWhatIsDeclaredIsWhatWasAppliedLast(t *testing.T) {
	plane := planeOf(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/topic-declaration") {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = w.Write([]byte(`{"id": "op", "topics": [
			{"name": "orders", "partitions": 12, "replicationFactor": 3, "configs": {"retention.ms": "1"}, "owner": "us", "protected": true},
			{"name": "payments", "partitions": 6, "replicationFactor": 3}
		]}`))
	})
	demo := client.Cluster{Name: "demo", ARN: "arn"}
	all, err := lastDeclared(t.Context(), plane, demo, nil)
	if err != nil || len(all) != 2 || all[0].Configs["retention.ms"] != "1" || all[0].Owner != "us" || !all[0].Protected || all[1].Partitions != 6 {
		t.Errorf("%+v, %v", all, err)
	}
	one, err := lastDeclared(t.Context(), plane, demo, []string{"payments", "payments"})
	if err != nil || len(one) != 1 || one[0].Name != "payments" {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := lastDeclared(t.Context(), plane, demo, []string{"absent"}); err == nil || err.Error() != "The topic absent of demo is not declared." {
		t.Error(err)
	}
}
