package outputs

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// records writes manifest, attempts and moments of a shard, as a SLURM array would leave them.
func (w *writer) records(paths result.Paths, shard int) error {
	m := record.NewManifest("0.1.0", Began(), record.InputFile{Path: w.input}, record.Requests{
		Model: "llama3.2:3b", Sampling: prompt.Sampling{MaxTokens: 512, Temperature: 0.7, TopP: 0.9}, MaxRowBytes: prompt.DefaultMaxRowBytes,
	})
	m.Host, m.Plan = fmt.Sprintf("node%d", shard+1), w.plan(shard)
	m.Server = ollama.Info{Version: "0.34.3", Digest: "sha256:a80c4f17acd5", Family: "llama", Parameters: "3.2B", Quantization: "Q4_K_M", WeightsBytes: 2 << 30}
	if err := os.MkdirAll(paths.Run, 0o700); err != nil {
		return err
	}
	if err := paths.WriteJSON("manifest.json", m); err != nil {
		return err
	}
	var moments []record.Moment
	attempts := max(1, w.Attempts)
	rows := int64(w.Rows / max(1, w.Shards) / attempts)
	for n := range attempts {
		began := Began().Add(time.Duration(shard) * 70 * time.Second).Add(time.Duration(n) * (attemptTime + pause))
		more := w.moments(shard, n+1, began, rows, n+1 == attempts)
		moments = append(moments, more...)
		if err := w.attempt(shard, n+1, began, more[len(more)-1], n+1 == attempts).Write(paths); err != nil {
			return err
		}
	}
	if err := paths.WriteJSON("lock.free", struct{}{}); err != nil { // marks the folder as a run's
		return err
	}
	return write(filepath.Join(paths.Run, record.SeriesFile), func(to io.Writer) error {
		e := json.NewEncoder(to)
		for _, m := range moments {
			if err := e.Encode(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// attempt returns the record of an attempt.
func (w *writer) attempt(shard, number int, began time.Time, last record.Moment, complete bool) record.Attempt {
	ask := last.At.Sub(began) - loadTime
	a := record.Attempt{
		Number: number, Version: "0.1.0", Host: fmt.Sprintf("node%d", shard+1), PID: 4711, Job: fmt.Sprintf("%d_%d", 1200+number, shard), Restart: number - 1,
		Outcome: record.Running, Rows: int64(w.Rows / max(1, w.Shards)),
	}
	if complete {
		a.Outcome = record.Complete
	}
	a.Summary = record.Summary{
		Started: began, WallSeconds: last.At.Sub(began).Seconds(), AskSeconds: ask.Seconds(), OK: last.OK, Failed: last.Failed,
		TokensIn: last.TokensIn, TokensCached: last.TokensCached, TokensOut: last.TokensOut,
		RowsPerSecond: float64(last.OK) / ask.Seconds(), TokensPerSecond: float64(last.TokensOut) / ask.Seconds(), Complete: complete,
	}
	var latency record.LatencyHistogram
	for range min(last.OK, 5000) {
		latency.Add(time.Duration(float64(900*time.Millisecond) * (0.3 + w.chance.ExpFloat64())))
	}
	a.Summary.Latency = latency.Histogram()
	var gpus []record.GPUUse
	for g := range w.GPUs {
		joules, busy := 410*last.At.Sub(began).Seconds(), 87.0
		gpus = append(gpus, record.GPUUse{UUID: uuid(shard, g), Name: gpuName, Hours: last.At.Sub(began).Hours(), MeanUtilisation: &busy, PeakMemoryBytes: 22 << 30, Joules: &joules})
	}
	a.Summary.Use(gpus, 0)
	return a
}

// moments returns the moments of an attempt: loading, a rate that wavers, a restart in the first attempt, and a drain.
func (w *writer) moments(shard, number int, began time.Time, rows int64, complete bool) []record.Moment {
	var list []record.Moment
	m := record.Moment{At: began, Attempt: number, Event: record.EventStart}
	steps := int((attemptTime - loadTime) / momentEvery)
	w.gpus(&m, shard, false)
	list = append(list, m)
	m.At, m.Event, m.Slots, m.Context = began.Add(loadTime), record.EventServing, 32*max(1, w.GPUs), 4096
	w.gpus(&m, shard, false)
	list = append(list, m)
	each := float64(rows) / float64(steps)
	for i := 1; i <= steps; i++ {
		m.At, m.Event, m.Detail = m.At.Add(momentEvery), "", ""
		rate := each * (0.8 + 0.4*w.chance.Float64())
		m.InFlight = m.Slots + m.Slots/4 - w.chance.IntN(3)
		if number == 1 && i > steps/2 && i < steps/2+8 {
			rate, m.InFlight = rate*0.1, m.InFlight/4
		}
		if number == 1 && i == steps/2+8 {
			m.Event, m.Detail = record.EventRestart, "server 0 was lost: signal: killed"
		}
		if i == steps-2 && !complete {
			m.Event, m.Detail = record.EventDrain, "the job's time comes to its end"
		}
		m.OK += int64(rate)
		m.TokensIn, m.TokensCached, m.TokensOut = m.OK*w.in, m.OK*w.in/3, m.OK*w.out
		w.gpus(&m, shard, true)
		list = append(list, m)
	}
	if complete {
		m.At, m.Event, m.InFlight, m.Slots = m.At.Add(time.Second), record.EventEnd, 0, 0
		list = append(list, m)
	}
	return list
}

// gpus sets the samples of the GPUs.
func (w *writer) gpus(m *record.Moment, shard int, serving bool) {
	m.GPUs = nil
	for g := range w.GPUs {
		busy, watts, used := 2.0, 70.0, uint64(1<<30)
		if serving {
			busy, watts, used = 82+15*w.chance.Float64(), 390+60*w.chance.Float64(), uint64(20<<30)+uint64(w.chance.IntN(2<<30))
		}
		m.GPUs = append(m.GPUs, record.GPUMoment{UUID: uuid(shard, g), UsedBytes: used, TotalBytes: 80 << 30, Utilisation: &busy, Watts: &watts})
	}
}
