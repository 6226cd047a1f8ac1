package dynamo_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/records"
)

var apple = records.Key{Partition: "fruit", Sort: "apple"}

// trouble stands between the table and DynamoDB. Attempts that meet it take the next of what is to come, and go on to
// DynamoDB when nothing is.
type trouble struct {
	mu       sync.Mutex
	attempts int
	toCome   []func(next awstest.Next) (*http.Response, error)
	always   func(next awstest.Next) (*http.Response, error)
}

func (tr *trouble) handle(operation string, _ *http.Request, next awstest.Next) (*http.Response, error) {
	if operation == "CreateTable" {
		return next()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.attempts++
	meet := tr.always
	if len(tr.toCome) > 0 {
		meet, tr.toCome = tr.toCome[0], tr.toCome[1:]
	}
	if meet == nil {
		return next()
	}
	return meet(next)
}

func open(t *testing.T) (*dynamo.Table, *trouble) {
	t.Helper()
	a := awstest.Start(t)
	tr := &trouble{}
	return dynamo.New(awstest.Intercept(a.Config, tr.handle), a.NewTable(t)), tr
}

func wantCode(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

func wantItem(t *testing.T, table *dynamo.Table, key records.Key, revision int64, body string) {
	t.Helper()
	item, err := table.Get(t.Context(), key)
	if err != nil || item.Revision != revision || string(item.Body) != body {
		t.Errorf("revision %d with %q, %v; want %d with %q", item.Revision, item.Body, err, revision, body)
	}
}

func refuse(status int, code string) func(awstest.Next) (*http.Response, error) {
	return func(awstest.Next) (*http.Response, error) {
		return awstest.Refuse(status, "com.amazonaws.dynamodb.v20120810#"+code, "said by the test", nil)
	}
}

// cancel answers a transaction with the reasons for which DynamoDB cancels it.
func cancel(codes ...string) func(awstest.Next) (*http.Response, error) {
	reasons := make([]map[string]string, len(codes))
	for i, code := range codes {
		reasons[i] = map[string]string{"Code": code}
	}
	return func(awstest.Next) (*http.Response, error) {
		return awstest.Refuse(http.StatusBadRequest, "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
			"Transaction cancelled, please refer cancellation reasons", map[string]any{"CancellationReasons": reasons})
	}
}

func TestWrite_IsNoConflictWhenOnlyItsAnswerWasLost(t *testing.T) {
	table, tr := open(t)
	pear := records.Key{Partition: "fruit", Sort: "pear"}
	for _, tt := range []struct {
		name   string
		writes []records.Write
	}{
		{"creating", []records.Write{{Key: apple, If: records.IfAbsent(), Body: []byte("1")}}},
		{"changing", []records.Write{{Key: apple, If: records.IfRevision(1), Body: []byte("2")}}},
		{"a transaction", []records.Write{
			{Key: apple, If: records.IfRevision(2), Body: []byte("3")}, {Key: pear, If: records.IfAbsent(), Body: []byte("1")},
		}},
		{"removing", []records.Write{{Key: pear, If: records.IfRevision(1), Delete: true}}},
	} {
		tr.toCome = append(tr.toCome, awstest.Lose, awstest.Lose)
		wantCode(t, tt.name, table.Write(t.Context(), tt.writes...), "")
	}
	wantItem(t, table, apple, 3, "3")
	_, err := table.Get(t.Context(), pear)
	wantCode(t, "the removed item", err, fault.NotFound)

	tr.toCome = append(tr.toCome, awstest.Lose)
	wantCode(t, "a write without a condition", table.Write(t.Context(), records.Write{Key: pear, Body: []byte("x")}), "")
	if item, err := table.Get(t.Context(), pear); err != nil || string(item.Body) != "x" {
		t.Errorf("%+v, %v", item, err)
	}
}

func TestWrite_IsTriedAgainWhenItMeetsOthers(t *testing.T) {
	table, tr := open(t)
	plain := records.Write{Key: apple, Body: []byte("1")}
	conditional := records.Write{Key: apple, If: records.IfRevision(1), Body: []byte("2")}
	tr.toCome = append(tr.toCome, refuse(http.StatusBadRequest, "TransactionConflictException"))
	wantCode(t, "a write that meets a transaction", table.Write(t.Context(), plain), "")
	tr.toCome = append(tr.toCome,
		cancel("TransactionConflict"), cancel("ThrottlingError"), cancel("ProvisionedThroughputExceeded"),
		refuse(http.StatusBadRequest, "TransactionInProgressException"))
	wantCode(t, "a transaction that meets others", table.Write(t.Context(), conditional), "")
	wantItem(t, table, apple, 2, "2")

	tr.toCome = append(tr.toCome, cancel("TransactionConflict", "ConditionalCheckFailed"))
	err := table.Write(t.Context(), records.Write{Key: records.Key{Partition: "fruit", Sort: "pear"}, Body: []byte("1")},
		records.Write{Key: apple, If: records.IfAbsent(), Body: []byte("2")})
	wantCode(t, "a condition that fails", err, fault.Conflict)
	if err == nil || !strings.Contains(err.Error(), "fruit/apple exists already") {
		t.Errorf("%v does not name the item", err)
	}
}

func TestWrite_ThatMeetsOthersForLongIsUnavailableAndNoConflict(t *testing.T) {
	table, tr := open(t)
	conditional := records.Write{Key: apple, If: records.IfAbsent(), Body: []byte("1")}
	tr.always = cancel("TransactionConflict")
	wantCode(t, "a transaction", table.Write(t.Context(), conditional), fault.Unavailable)
	if tr.attempts < 5 {
		t.Errorf("given up after %d attempts", tr.attempts)
	}
	ctx, end := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer end()
	began := time.Now()
	wantCode(t, "a transaction with little time", table.Write(ctx, conditional), fault.Unavailable)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s of 100 ms", took)
	}
}

func TestTable_IsUnavailableWhileDynamoDBIs(t *testing.T) {
	for name, meet := range map[string]func(awstest.Next) (*http.Response, error){
		"throttled":          refuse(http.StatusBadRequest, "ThrottlingException"),
		"out of capacity":    refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
		"over its own limit": refuse(http.StatusBadRequest, "RequestLimitExceeded"),
		"broken":             refuse(http.StatusInternalServerError, "InternalServerError"),
		"not there":          func(awstest.Next) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"cut off":            func(awstest.Next) (*http.Response, error) { return awstest.Answer(http.StatusOK, []byte(`{"Ite`)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the SDK waits for seconds when it is throttled
			table, tr := open(t)
			tr.toCome = append(tr.toCome, meet)
			wantCode(t, "a write after a moment of it", table.Write(t.Context(), records.Write{Key: apple, Body: []byte("x")}), "")
			tr.always = meet
			_, err := table.Get(t.Context(), apple)
			wantCode(t, "get", err, fault.Unavailable)
		})
	}
}

func TestTable_SaysWhichPermissionIsMissing(t *testing.T) {
	table, tr := open(t)
	tr.always = refuse(http.StatusBadRequest, "AccessDeniedException")
	_, readErr := table.Get(t.Context(), apple)
	for permission, err := range map[string]error{
		"dynamodb:GetItem":            readErr,
		"dynamodb:UpdateItem":         table.Write(t.Context(), records.Write{Key: apple}),
		"dynamodb:TransactWriteItems": table.Write(t.Context(), records.Write{Key: apple, If: records.IfAbsent()}),
	} {
		wantCode(t, permission, err, fault.Internal)
		if err == nil || !strings.Contains(err.Error(), permission+" is not allowed: give the role") {
			t.Errorf("%v does not name %s", err, permission)
		}
	}
}

// A host's role may do nothing but this.
func TestTable_NeedsOnlyGetItemAndUpdateItemForSingleItems(t *testing.T) {
	a := awstest.Start(t)
	var operations []string
	config := awstest.Intercept(a.Config, func(operation string, _ *http.Request, next awstest.Next) (*http.Response, error) {
		operations = append(operations, operation)
		return next()
	})
	table := dynamo.New(config, a.NewTable(t))
	wantCode(t, "write", table.Write(t.Context(), records.Write{Key: apple, Body: []byte("x"), Expires: time.Now().Add(time.Hour)}), "")
	wantItem(t, table, apple, 1, "x")
	if got := strings.Join(operations, " "); got != "UpdateItem GetItem" {
		t.Errorf("it called %s", got)
	}
}

func TestTable_TellsDynamoDBWhenAnItemMayGo(t *testing.T) {
	a := awstest.Start(t)
	table := dynamo.New(a.Config, a.NewTable(t))
	expires := func() string {
		t.Helper()
		out, err := dynamodb.NewFromConfig(a.Config).GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String(awstest.TableName),
			Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: apple.Partition}, "sk": &types.AttributeValueMemberS{Value: apple.Sort},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := out.Item["expires"].(*types.AttributeValueMemberN); ok {
			return n.Value
		}
		return ""
	}
	at := time.Date(2026, 12, 4, 12, 0, 0, 999, time.UTC)
	for _, tt := range []struct {
		name  string
		write records.Write
		want  string
	}{
		{"a plain write", records.Write{Key: apple, Expires: at}, "1796385600"},
		{"a transaction", records.Write{Key: apple, If: records.IfRevision(1), Expires: at.Add(time.Hour)}, "1796389200"},
		{"a write without it", records.Write{Key: apple}, ""},
	} {
		wantCode(t, tt.name, table.Write(t.Context(), tt.write), "")
		if got := expires(); got != tt.want {
			t.Errorf("after %s it expires at %q, want %q", tt.name, got, tt.want)
		}
	}
}
