package metrics

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fluxworker/worker/record"
)

// prefix is the prefix of the names of all metrics.
const prefix = "fluxworker_"

// The types of metrics.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// label is a label of a sample. A label without a value is left out.
type label struct{ name, value string }

// encoder writes metrics in the text format of Prometheus. All samples have the labels of the run.
type encoder struct {
	out    *bytes.Buffer
	common []label
}

// write writes all metrics. docs/metrics.md describes each of them.
func (s State) write(out *bytes.Buffer) {
	e := encoder{out, []label{{"output", s.Output}, {"slurm_job_id", s.Job}, {"slurm_array_task_id", s.Array}, {"shard", s.Shard}, {"host", s.Host}}}
	e.metric("info", gauge, "Version of fluxworker and name of the model; the value is 1.")
	e.sample("info", 1, label{"version", s.Version}, label{"model", s.Model})
	e.single("attempt", gauge, "Number of this start of the run into its output, from 1.", float64(s.Attempt))
	e.single("start_time_seconds", gauge, "Unix time of the start of this attempt.", unix(s.Summary.Started))
	e.single("update_time_seconds", gauge, "Unix time at which this file was written.", unix(s.Now.At))
	e.single("running", gauge, "1 while the attempt runs, 0 after its end.", indicator(!s.Ended))
	e.single("complete", gauge, "1 if every row of the input has its line, known at the end of the attempt.", indicator(s.Summary.Complete))
	if s.Rows > 0 {
		e.single("rows_expected", gauge, "Rows of this part of the input; an estimate until the input is read.", float64(s.Rows))
	}
	e.single("rows_done_before", gauge, "Rows with a line of an earlier attempt.", float64(s.Summary.Skipped))
	e.metric("rows_total", counter, "Rows that got their line in this attempt.")
	e.sample("rows_total", float64(s.Now.OK), label{"result", "ok"})
	e.sample("rows_total", float64(s.Now.Failed), label{"result", "failed"})
	e.single("input_tokens_total", counter, "Tokens of the prompts of answered rows.", float64(s.Now.TokensIn))
	e.single("cached_input_tokens_total", counter, "Tokens of input_tokens_total that the slots had read already.", float64(s.Now.TokensCached))
	e.single("output_tokens_total", counter, "Tokens that the model wrote.", float64(s.Now.TokensOut))
	e.single("rows_in_flight", gauge, "Rows that are with the servers.", float64(s.Now.InFlight))
	e.single("slots", gauge, "Slots of all servers that serve.", float64(s.Now.Slots))
	e.single("context_tokens", gauge, "Context length of a slot; 0 while no server serves.", float64(s.Now.Context))
	e.single("server_restarts_total", counter, "Lost servers that were started again.", float64(s.Restarts))
	e.latency(s.Summary.Latency)
	e.gpus(s.Now.GPUs, s.Summary.GPUs)
}

// latency writes the histogram of the times from the request to the answer.
func (e encoder) latency(h *record.Histogram) {
	const name = "row_duration_seconds"
	if h == nil {
		return
	}
	e.metric(name, histogram, "Time from the request to the answer, of answered rows.")
	var sum int64
	for i, bound := range h.Bounds {
		sum += h.Counts[i]
		e.sample(name+"_bucket", float64(sum), label{"le", number(bound)})
	}
	sum += h.Counts[len(h.Bounds)]
	e.sample(name+"_bucket", float64(sum), label{"le", "+Inf"})
	e.sample(name+"_sum", h.Sum)
	e.sample(name+"_count", float64(sum))
}

// gpus writes the last sample and the energy of each GPU.
func (e encoder) gpus(now []record.GPUMoment, uses []record.GPUUse) {
	perGPU(e, "gpu_memory_used_bytes", gauge, "GPU memory in use, also by other processes.", now,
		func(g record.GPUMoment) (string, *float64) { return g.UUID, new(float64(g.UsedBytes)) })
	perGPU(e, "gpu_memory_total_bytes", gauge, "Memory of the GPU.", now,
		func(g record.GPUMoment) (string, *float64) { return g.UUID, new(float64(g.TotalBytes)) })
	perGPU(e, "gpu_utilization_ratio", gauge, "Share of the last sample period in which the GPU computed, from 0 to 1.", now,
		func(g record.GPUMoment) (string, *float64) { return g.UUID, scaled(g.Utilisation, 0.01) })
	perGPU(e, "gpu_power_watts", gauge, "Power of the GPU.", now,
		func(g record.GPUMoment) (string, *float64) { return g.UUID, g.Watts })
	perGPU(e, "gpu_energy_joules_total", counter, "Energy of the GPU in this attempt.", uses,
		func(g record.GPUUse) (string, *float64) { return g.UUID, g.Joules })
}

// perGPU writes a metric with a sample for each GPU whose value is known, and nothing where no value is.
func perGPU[T any](e encoder, name, kind, help string, gpus []T, value func(T) (uuid string, v *float64)) {
	described := false
	for _, g := range gpus {
		uuid, v := value(g)
		if v == nil {
			continue
		}
		if !described {
			e.metric(name, kind, help)
			described = true
		}
		e.sample(name, *v, label{"uuid", uuid})
	}
}

// single writes a metric with one sample.
func (e encoder) single(name, kind, help string, value float64) {
	e.metric(name, kind, help)
	e.sample(name, value)
}

// metric writes the description of a metric.
func (e encoder) metric(name, kind, help string) {
	fmt.Fprintf(e.out, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, kind)
}

// sample writes one sample, with the labels of the run and its own.
func (e encoder) sample(name string, value float64, own ...label) {
	e.out.WriteString(prefix + name)
	separator := "{"
	for _, labels := range [][]label{e.common, own} {
		for _, l := range labels {
			if l.value == "" {
				continue
			}
			fmt.Fprintf(e.out, `%s%s="%s"`, separator, l.name, escaped.Replace(strings.ToValidUTF8(l.value, "\uFFFD")))
			separator = ","
		}
	}
	if separator == "," {
		e.out.WriteString("}")
	}
	e.out.WriteString(" " + number(value) + "\n")
}

// escaped replaces the characters that a label's value must not have.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// number returns a number in the form of the format.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// unix returns a time in seconds since 1970.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// indicator returns 1 for true and 0 for false.
func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// scaled returns v times factor; nil for nil.
func scaled(v *float64, factor float64) *float64 {
	if v == nil {
		return nil
	}
	return new(*v * factor)
}
