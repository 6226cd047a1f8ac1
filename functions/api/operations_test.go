package api

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/mskapi"
)

func TestOperations_AreOfTheModelAndTakeAndGiveItsTypes(t *testing.T) {
	for name, answer := range New(Deps{}).handlers {
		op, known := mskapi.Lookup(name)
		if !known {
			t.Errorf("%s is not an operation of the model", name)
			continue
		}
		if answer.in != reflect.TypeOf(op.NewInput()) || answer.out != reflect.TypeOf(op.NewOutput()) {
			t.Errorf("%s takes a %s and gives a %s", name, answer.in, answer.out)
		}
	}
}

func TestOperations_EachTakesARoleThatFollowsFromWhatItDoes(t *testing.T) {
	for name, h := range New(Deps{}).handlers {
		op, _ := mskapi.Lookup(name)
		want := accesskey.Operator
		switch {
		case op.Method == http.MethodGet:
			want = accesskey.ReadOnly
		case name == "DeleteCluster", name == "DeleteConfiguration", name == "DeleteTopic":
			want = accesskey.Admin
		}
		if h.role != want {
			t.Errorf("%s takes the role %q, want %q", name, h.role, want)
		}
	}
	for _, route := range millraceRoutes {
		want := accesskey.Operator
		switch {
		case strings.Contains(route.path.String(), "/keys"):
			want = accesskey.Admin
		case route.method == http.MethodGet, route.name == "MillracePlanTopics": // which asks with a document, and changes nothing
			want = accesskey.ReadOnly
		case route.name == "MillraceResetOffsets", route.name == "MillraceDeleteOffsets": // all may have a dry run: the rest is theirs to refuse
			want = accesskey.ReadOnly
		}
		if route.role != want {
			t.Errorf("%s takes the role %q, want %q", route.name, route.role, want)
		}
	}
}
