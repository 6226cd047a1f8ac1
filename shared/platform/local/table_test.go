package local_test

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/records"
)

func TestTable_Conforms(t *testing.T) {
	platformtest.Table(t, func(t *testing.T) records.Table {
		db, err := bbolt.Open(filepath.Join(t.TempDir(), "table.db"), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		table, err := local.NewTable(db)
		if err != nil {
			t.Fatal(err)
		}
		return table
	})
}
