package engines

import (
	"fmt"
	"os"
	"reflect"
	"testing"

	"fluxworker/test/duckdb"
	"fluxworker/test/harness"
)

// A table becomes a table with extracted fields, in each form: DuckDB makes the input, reads the outputs, and finds every row with its
// own columns, the same values and types, and the fields that its answer has.
func TestTableToTable(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		const rows = 30
		j := g.NewJob(t)
		duckdb.Query(t, j.Dir, fmt.Sprintf(`
			create table papers as select 'paper '||i as id, chr((97+i%%20)::int) as letter, repeat('one, "two"'||chr(10)||'é ', i%%3) as remark, i as number,
				case when i%%4 > 0 then i/8.0 end as score, timestamp '2026-01-01 10:00:00.25' + to_days(i::int) as seen,
				[i, i+1] as pages, {'name': 'x'||i, 'ok': i%%2 = 0} as meta from range(%d) r(i);
			copy papers to 'papers.parquet' (format parquet, row_group_size 10);
			copy papers to 'papers.jsonl' (format json);
			copy (select id, letter, remark from papers) to 'papers.csv' (format csv, header);
			copy (select id, letter, remark from papers) to 'papers.tsv' (format csv, header, delimiter '\t');
			select 1`, rows))
		const schema = `{"type":"object","properties":{"kind":{"enum":["x","yy"]},"sure":{"type":"boolean"}},"required":["kind","sure"],"additionalProperties":false}`
		if err := os.WriteFile(j.Path("schema.json"), []byte(schema), 0o600); err != nil {
			t.Fatal(err)
		}
		j.Args = append(j.Args, "--id-column", "id", "--prompt-template", "Which? {{.letter}}", "--json-schema", "schema.json", "--columns", "all")
		const all, texts = "id, letter, remark, number, score, seen, pages, meta", "id, letter, remark"
		for _, form := range []struct{ input, output, columns, table string }{
			{"papers.parquet", "facts.parquet", all, "%s"},
			{"papers.jsonl", "facts.flat.jsonl", all, "%s"},
			{"papers.csv", "facts.csv", texts, "read_csv(%s, all_varchar = true)"}, // without types: DuckDB would guess them
			{"papers.tsv", "facts.tsv", texts, "read_csv(%s, all_varchar = true, delim = '\t')"},
		} {
			j.Run(0, "--input", form.input, "--output", form.output)
			before, after := fmt.Sprintf(form.table, "'"+form.input+"'"), fmt.Sprintf(form.table, "'"+form.output+"'")
			got := duckdb.Query(t, j.Dir, fmt.Sprintf(`
				create table own as from %s;
				create table facts as from %s;
				create table kept as select %s from facts;
				select (select count(*) from (from own except all from kept)) as lost, (select count(*) from (from kept except all from own)) as foreign_rows,
					(select list(id) from own) = (select list(id) from facts) as in_order,
					(select list(column_name || ' ' || column_type) from (describe own)) = (select list(column_name || ' ' || column_type) from (describe kept)) as types,
					count(*) filter (kind = (answer::json->>'kind') and sure::bool = (answer::json->>'sure')::bool) as fields,
					count(*) filter (finish_reason = 'stop' and prompt_tokens::int > 0 and completion_tokens::int > 0 and coalesce(error::varchar, '') = '') as whole
				from facts`, before, after, form.columns))
			want := map[string]any{"lost": "0", "foreign_rows": "0", "in_order": true, "types": true, "fields": fmt.Sprint(rows), "whole": fmt.Sprint(rows)}
			if !reflect.DeepEqual(got[0], want) {
				t.Errorf("%s: %v, want %v", form.output, got[0], want)
			}
		}
		types := duckdb.Query(t, j.Dir, `select list(column_type) as types from (describe from 'facts.parquet') where column_name in ('answer', 'kind', 'sure', 'finish_reason', 'prompt_tokens', 'completion_tokens', 'error')`)
		if want := []any{"VARCHAR", "VARCHAR", "BOOLEAN", "VARCHAR", "BIGINT", "BIGINT", "VARCHAR"}; !reflect.DeepEqual(types[0]["types"], want) {
			t.Errorf("the columns of the answers have the types %v, want %v", types[0]["types"], want)
		}
	})
}
