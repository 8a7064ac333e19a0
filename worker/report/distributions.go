package report

import (
	"fmt"
	"slices"

	"fluxworker/worker/record"
	"fluxworker/worker/report/chart"
)

// distributions returns the pictures of latency and tokens.
func (f *facts) distributions() (list []picture) {
	if h := latencyOf(f.summaries()); h != nil {
		list = append(list, latencyPicture(h))
	}
	rs := f.rows
	for _, d := range []struct {
		id, title, class string
		of               *distribution
	}{
		{"in", "Tokens of a prompt", "s1", &rs.in},
		{"out", "Tokens of an answer", "s2", &rs.out},
		{"cached", "Tokens of a prompt that the slot had read before", "s3", &rs.cached},
	} {
		if d.of.n == 0 {
			continue
		}
		edges, counts := d.of.buckets()
		caption := d.of.sentence() + "."
		if d.of == &rs.cached {
			caption = fmt.Sprintf("%s of %s; %s", grouped(rs.withCached), count(rs.answered, "answered row"), caption)
		} else {
			caption = fmt.Sprintf("%s; %s", count(d.of.n, "row"), caption)
		}
		b := chart.Bars{Text: chart.Text{ID: "tokens-" + d.id, Title: d.title, Description: caption}, Unit: "rows", Class: d.class, Edges: edges, Counts: counts}
		list = append(list, picture{Title: d.title, SVG: b.SVG(), Caption: caption})
	}
	return list
}

// latencyOf adds up the histograms of attempts, which have the bounds of the last attempt; nil without a histogram. A histogram
// with other bounds, of another version of the program, is left out.
func latencyOf(all []record.Summary) *record.Histogram {
	var sum *record.Histogram
	for _, s := range slices.Backward(all) {
		h := s.Latency
		switch {
		case h == nil || len(h.Counts) != len(h.Bounds)+1:
		case sum == nil:
			sum = &record.Histogram{Bounds: h.Bounds, Counts: slices.Clone(h.Counts), Sum: h.Sum}
		case slices.Equal(sum.Bounds, h.Bounds):
			sum.Sum += h.Sum
			for i, n := range h.Counts {
				sum.Counts[i] += n
			}
		}
	}
	return sum
}

// latencyPicture returns the picture of the latencies, from the first bucket with a row to the last.
func latencyPicture(h *record.Histogram) picture {
	n := int64(0)
	first, last := -1, 0
	for i, c := range h.Counts {
		if n += c; c > 0 {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	first = max(first, 0)
	edge := func(i int) string { // lower limit of bucket i
		switch {
		case i == 0:
			return "0"
		case i > len(h.Bounds):
			return "more"
		}
		return chart.Seconds(h.Bounds[i-1])
	}
	var edges []string
	for i := first; i <= last+1; i++ {
		edges = append(edges, edge(i))
	}
	caption := fmt.Sprintf("%s; half of the rows within %s, 95 %% within %s; mean %s. The limits of the bars grow by a factor.",
		count(n, "answered row"), bound(h, 0.5, n), bound(h, 0.95, n), chart.Seconds(h.Sum/float64(max(1, n))))
	title := "Latency: from the request to the answer"
	b := chart.Bars{Text: chart.Text{ID: "latency", Title: title, Description: caption}, Unit: "rows", Class: "s4", Edges: edges, Counts: h.Counts[first : last+1]}
	return picture{Title: title, SVG: b.SVG(), Caption: caption}
}

// bound returns the upper limit of the bucket in which a share q of the n rows is reached.
func bound(h *record.Histogram, q float64, n int64) string {
	seen := int64(0)
	for i, c := range h.Counts {
		if seen += c; float64(seen) >= q*float64(n) && i < len(h.Bounds) {
			return chart.Seconds(h.Bounds[i])
		}
	}
	if len(h.Bounds) == 0 {
		return "an unknown time"
	}
	return "more than " + chart.Seconds(h.Bounds[len(h.Bounds)-1])
}
