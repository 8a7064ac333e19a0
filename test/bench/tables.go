package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"fluxworker/worker/parquet"
)

// tables is figure m: what a table of Parquet takes to be read and to be written, held against CSV.
func tables(ctx context.Context, b *bench) ([]line, error) {
	few, all := b.size.of(200, 10_000, 10_000), b.size.of(2000, 1_000_000, 1_000_000)
	small, err := b.tableOf(ctx, few)
	if err != nil {
		return nil, err
	}
	defer small.drop()
	large, err := b.tableOf(ctx, all)
	if err != nil {
		return nil, err
	}
	defer large.drop()
	read, write := map[string]sample{}, map[string]sample{}
	peak := map[string]int64{}
	var turns []func(context.Context, int) error
	for _, kind := range []string{"csv", "parquet"} {
		turns = append(turns, func(ctx context.Context, _ int) error {
			u, err := b.process(ctx, process{dir: large.dir, program: b.fluxworker, args: []string{"validate", "--model", "bigram", "--input", "rows." + kind}})
			read[kind] = append(read[kind], float64(all)/u.took().Seconds())
			peak[kind+" read"] = max(peak[kind+" read"], u.peak)
			return err
		}, func(ctx context.Context, _ int) error {
			u, err := b.mergeTable(ctx, large, kind)
			write[kind] = append(write[kind], float64(all)/u.took().Seconds())
			peak[kind+" written"] = max(peak[kind+" written"], u.peak)
			return err
		})
	}
	if err := repeat(ctx, b.size.of(1, 3, 5), turns...); err != nil {
		return nil, err
	}
	least, err := b.mergeTable(ctx, small, "parquet")
	if err != nil {
		return nil, err
	}
	allowed := float64(32*mib + 40*all)
	return []line{
		{id: "m", what: fmt.Sprintf("`validate` of %d rows of 100 B in Parquet, rows/s over those of CSV", all), values: ratios(read["parquet"], read["csv"]),
			seen:  fmt.Sprintf("%s against %s rows/s; peaks of %.1f and %.1f MiB", number(read["parquet"].median()), number(read["csv"].median()), float64(peak["parquet read"])/mib, float64(peak["csv read"])/mib),
			limit: "each row becomes JSON, so that all inputs have the same keys and templates"},
		{id: "m", what: "merge of these rows to Parquet beside their columns, rows/s over those of a merge of CSV to CSV", values: ratios(write["parquet"], write["csv"]),
			seen:  fmt.Sprintf("%s against %s rows/s", number(write["parquet"].median()), number(write["csv"].median())),
			limit: "two readers of the input: of the names, and of the columns that are copied"},
		{id: "m", what: fmt.Sprintf("growth of the peak memory of that merge from %d rows, over 32 MiB and 40 B a row", few), values: sample{float64(peak["parquet written"]-least.peak) / allowed}, goal: goal{atMost, 1},
			seen:  fmt.Sprintf("%.1f MiB against %.1f MiB; CSV %.1f MiB", float64(peak["parquet written"])/mib, float64(least.peak)/mib, float64(peak["csv written"])/mib),
			limit: "a merge needs the place of each line; a row group is kept until it is whole"},
	}, nil
}

// wideTable is an input as CSV and as Parquet, with the lines of its answers.
type wideTable struct {
	dir  string
	drop func()
}

func (b *bench) tableOf(ctx context.Context, count int) (t wideTable, err error) {
	lines, err := b.resultLines(ctx)
	if err != nil {
		return t, err
	}
	if t.dir, t.drop, err = b.folder("table-"); err != nil {
		return t, err
	}
	if err = t.fill(rows{count: count, bytes: shortRow, last: longAnswer}, lines); err != nil {
		t.drop()
	}
	return t, err
}

// fill writes the files of the table.
func (t wideTable) fill(r rows, lines *resultLines) error {
	input := filepath.Join(t.dir, "rows.jsonl")
	if err := r.file(input); err != nil {
		return err
	}
	var files [3]*bufio.Writer
	for i, name := range []string{"rows.csv", "rows.parquet", resultsFile} {
		f, err := os.Create(filepath.Join(t.dir, name))
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = bufio.NewWriterSize(f, mib)
	}
	columnar := parquet.NewWriter(files[1], []parquet.Column{{Name: "custom_id", Type: parquet.Text}, {Name: "prompt", Type: parquet.Text}, {Name: "year", Type: parquet.Integer}}, nil, nil)
	fmt.Fprintln(files[0], "custom_id,prompt,year")
	prompt := r.prompts()
	for i := range r.count {
		name, text, year := fmt.Sprintf("request-%08d", i), string(prompt(nil, i)), strconv.Itoa(1900+i%125)
		fmt.Fprintf(files[0], "%s,\"%s\",%s\n", name, text, year)
		if err := columnar.Write(0, []json.RawMessage{strconv.AppendQuote(nil, name), strconv.AppendQuote(nil, text), []byte(year)}); err != nil {
			return err
		}
	}
	if err := columnar.Close(); err != nil {
		return err
	}
	err := lines.each(input, 0, func(_ int, text []byte) error {
		_, err := files[2].Write(text)
		return err
	})
	for _, f := range files {
		if err == nil {
			err = f.Flush()
		}
	}
	return err
}

func (b *bench) mergeTable(ctx context.Context, t wideTable, kind string) (usage, error) {
	to := filepath.Join(t.dir, "all."+kind)
	defer os.Remove(to)
	return b.process(ctx, process{dir: t.dir, program: b.fluxworker, args: []string{
		"merge", "--input", "rows." + kind, "--output", resultsFile, "--to", to, "--columns", "all",
	}})
}
