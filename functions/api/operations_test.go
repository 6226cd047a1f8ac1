package api

import (
	"reflect"
	"testing"

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
