package main

import "context"

// figure is one of the things that are measured.
type figure struct {
	id, what string
	measure  func(context.Context, *bench) ([]line, error)
}

// figures are all of them, in the table's order.
func figures() []figure {
	return []figure{
		{"a", "rows a second over a closed loop's, against servers that cost nothing", throughput},
		{"b", "makespan over a closed loop's, 32 slots of 20 ms", makespan},
		{"c", "makespan over a closed loop's, real engines", engines},
		{"d", "CPU and allocations of a row", cost},
		{"e", "peak memory by the number of rows", memory},
		{"f", "resuming and merging", stored},
		{"g", "start-up", startUp},
		{"h", "eight servers over one", servers},
		{"i", "makespan where rows share a prefix, real engines", prefixes},
		{"j", "mixed lengths: context passes over one pool of cells", pool},
		{"k", "embeddings: rows that share requests over rows that are asked alone, real engines", embeddings},
		{"l", "a model on a slow file system, real engines", staging},
		{"m", "tables of Parquet over CSV", tables},
		{"n", "rows of a server of OpenAI's API over a closed loop's", openAI},
	}
}

// repeat measures both sides of a ratio in turns.
func repeat(ctx context.Context, times int, sides ...func(ctx context.Context, turn int) error) error {
	for turn := range times {
		for _, side := range sides {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := side(ctx, turn); err != nil {
				return err
			}
		}
	}
	return nil
}
