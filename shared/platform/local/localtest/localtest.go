// Package localtest lends tests a table of their own.
package localtest

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/millrace/millrace/shared/platform/local"
)

// NewTable opens an empty table that is gone with the test. It does not wait for the disk: no test pulls the plug.
func NewTable(t *testing.T) *local.Table {
	t.Helper()
	table, _ := NewDatabase(t)
	return table
}

// NewDatabase is NewTable for tests that need the table's file as well.
func NewDatabase(t *testing.T) (*local.Table, *bbolt.DB) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "records.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	table, err := local.NewTable(db)
	if err != nil {
		t.Fatal(err)
	}
	return table, db
}
