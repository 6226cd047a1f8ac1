package errand_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// function is the one that runs errands, as its caller reaches it.
type function struct{ serve.Steps }

func (f function) Call(ctx context.Context, name string, payload []byte) ([]byte, error) {
	if name != errand.Function {
		return nil, fmt.Errorf("there is no function %q", name)
	}
	return f.Invoke(ctx, payload)
}

// doing runs one errand that is done by do.
func doing(ctx context.Context, do func(context.Context, errand.ListTopics) (errand.Topics, error)) (errand.Topics, error) {
	f := function{serve.Steps{"ListTopics": errand.Serve(do)}}
	return errand.Run[errand.Topics](ctx, f, "ListTopics", errand.ListTopics{ClusterID: "c", Prefix: "orders"})
}

func TestRun_GetsWhatWasAskedThereAndTheAnswerBack(t *testing.T) {
	got, err := doing(t.Context(), func(_ context.Context, in errand.ListTopics) (errand.Topics, error) {
		return errand.Topics{Topics: []errand.TopicSummary{{Name: in.ClusterID + " " + in.Prefix}}}, nil
	})
	if err != nil || got.Topics[0].Name != "c orders" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRun_ANoComesBackAsItWasSaid(t *testing.T) {
	for _, said := range []fault.Error{
		{Code: fault.Conflict, Reason: "TOPIC_ALREADY_EXISTS", Message: "topic orders exists"},
		{Code: fault.Invalid, Parameter: "configs", Message: "no"},
		{Code: fault.NotFound, Message: "gone"},
		{Code: fault.Unavailable, Reason: "BROKER_NOT_AVAILABLE", Message: "nobody"},
	} {
		_, err := doing(t.Context(), func(context.Context, errand.ListTopics) (errand.Topics, error) {
			return errand.Topics{}, fmt.Errorf("list the topics of c: %w", &said)
		})
		var got *fault.Error
		if !errors.As(err, &got) || got.Code != said.Code || got.Reason != said.Reason || got.Parameter != said.Parameter || got.Message != said.Message {
			t.Errorf("got %+v, want %+v", got, said)
		}
	}
}

func TestServe_ABugIsAnErrorOfTheFunction(t *testing.T) {
	for _, bug := range []error{errors.New("nil map"), fault.New(fault.Internal, "nil map")} {
		step := errand.Serve(func(context.Context, errand.ListTopics) (errand.Topics, error) { return errand.Topics{}, bug })
		_, err := serve.Steps{"ListTopics": step}.Invoke(t.Context(), []byte(`{"step":"ListTopics"}`))
		var failed *serve.Error
		if !errors.As(err, &failed) || failed.Code != fault.Internal {
			t.Errorf("got %v", err)
		}
	}
}

func TestServe_EndsAnErrandThatNobodyWaitsForAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := doing(t.Context(), func(ctx context.Context, _ errand.ListTopics) (errand.Topics, error) {
			<-ctx.Done()
			return errand.Topics{}, ctx.Err()
		})
		if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != errand.TimedOut {
			t.Errorf("got %v", err)
		}
	})
}
