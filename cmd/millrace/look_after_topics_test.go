package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a function that gives the answers of a script, by the payload that it is called with.
type scripted struct {
	answers map[string]string // an answer that is missing is an error
	calls   []string
}

func (s *scripted) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	s.calls = append(s.calls, string(payload))
	if answer, ok := s.answers[string(payload)]; ok {
		return []byte(answer), nil
	}
	return nil, errors.New("the zone is on fire")
}

// What one cluster is in trouble for keeps nobody from looking at the others, nor from looking again.
func TestLookAfterTopics_LooksAtEveryClusterAtOnceAndThenNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		operations := &scripted{answers: map[string]string{
			`{"clusterId":"","step":"FindClustersDue"}`: `{"clusters":[{"clusterId":"a","renew":true,"declared":true},{"clusterId":"b","renew":true},{"clusterId":"c","declared":true}]}`,
		}}
		topicadmin := &scripted{answers: map[string]string{`{"clusterId":"c","step":"FindTopicDrift"}`: `{}`}}
		provisioning := &scripted{}
		ctx, stop := context.WithTimeout(t.Context(), topicsEvery+time.Second)
		defer stop()
		lookAfterTopics(ctx, operations, provisioning, topicadmin)
		once := []string{`{"clusterId":"a","step":"FindTopicDrift"}`, `{"clusterId":"c","step":"FindTopicDrift"}`}
		if want := slices.Repeat(once, 2); !slices.Equal(topicadmin.calls, want) {
			t.Errorf("asked %s, want %s", topicadmin.calls, want)
		}
		if got := strings.Count(strings.Join(provisioning.calls, " "), "RenewKafkaAccess"); got != 2*2 || len(operations.calls) != 2 {
			t.Errorf("access was renewed %d times, of two clusters in %d rounds", got, len(operations.calls))
		}
	})
}
