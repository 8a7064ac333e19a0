// Package duckdb reads and writes tables in tests with DuckDB, which shares no code with fluxworker.
package duckdb

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/build"
)

// Query runs statements of SQL in a folder, and returns the rows of the last one. "make duckdb" installs DuckDB; without it the test
// skips.
func Query(t *testing.T, dir, sql string) (rows []map[string]any) {
	t.Helper()
	cache := filepath.Join(filepath.Dir(build.Cache(t)), "duckdb")
	script := filepath.Join(cache, "query.mjs")
	if _, err := os.Stat(script); err != nil {
		build.Missing(t, "no DuckDB (make duckdb): %v", err)
	}
	var errors bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, strings.NewReader(sql), &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("DuckDB: %v\n%s\n%s", err, sql, errors.Bytes())
	}
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatalf("DuckDB's rows: %v\n%s", err, out)
	}
	return rows
}
