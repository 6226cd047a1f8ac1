package dynamo_test

import (
	"testing"

	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/records"
)

func TestTable_Conforms(t *testing.T) {
	platformtest.Table(t, func(t *testing.T) records.Table {
		a := awstest.Start(t)
		return dynamo.New(a.Config, a.NewTable(t))
	})
}
