package plan

import (
	"fmt"
	"slices"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/record"
)

// plausible limits the measured memory of a server, as a share of the planned memory, that a plan learns from. Beyond it other
// processes on the GPU changed the number, or the driver cannot measure.
const plausibleLow, plausibleHigh = 0.5, 1.5

// learned returns what the last run into the output measured, if model, engine, cache type and the kind of the GPUs are the
// same; nil otherwise. Of several servers the one counts that took the most beyond its plan.
func learned(last *record.Manifest, info ollama.Info, cache string, gpus []gpu.Device) *batcher.Learned {
	if last == nil || info.Digest == "" || last.Server.Digest != info.Digest || last.Server.Version != info.Version || last.Plan.Cache != cache {
		return nil
	}
	l := batcher.Learned{Ubatch: last.Plan.Ubatch, From: "the run of " + last.Started.Format("2006-01-02 15:04 MST")}
	found := false
	for _, s := range last.Plan.Servers {
		same := slices.ContainsFunc(gpus, func(d gpu.Device) bool { return d.Name == s.GPU })
		if !same || s.LeftOut != "" || sharesGPU(s, last.Plan.Servers) {
			continue
		}
		if s.PlannedSlots > s.Slots { // its terms are for other slots than it was measured with
			if l.Slots == 0 || s.Slots < l.Slots {
				l.Slots, l.Context = s.Slots, s.Context
			}
			continue
		}
		if len(s.MeasuredBytes) == 0 {
			continue
		}
		share := float64(s.MeasuredBytes[0]) / float64(s.Bytes)
		if share < plausibleLow || share > plausibleHigh {
			continue
		}
		// A plan that was corrected was measured against the correction, so the corrections add up.
		beyond := s.MeasuredBytes[0] - s.Bytes + batcher.LearnedBytes(s.Terms)
		if !found || beyond > l.Bytes {
			l.Bytes, found = beyond, true
		}
	}
	if l.Bytes == 0 && l.Slots == 0 {
		return nil
	}
	return &l
}

// sharesGPU reports whether another server was on a GPU of s: the servers of a GPU share its measured number.
func sharesGPU(s record.PlannedServer, all []record.PlannedServer) bool {
	n := 0
	for _, other := range all {
		if slices.ContainsFunc(other.GPUs, func(uuid string) bool { return slices.Contains(s.GPUs, uuid) }) {
			n++
		}
	}
	return n > 1
}

// explainLearned returns the source of a plan's learned numbers, for the user.
func explainLearned(l *batcher.Learned) batcher.Source {
	value := fmt.Sprintf("%s more than planned", batcher.Size(l.Bytes))
	switch {
	case l.Slots > 0:
		value = fmt.Sprintf("at most %d slots of %d tokens", l.Slots, l.Context)
	case l.Bytes < 0:
		value = fmt.Sprintf("%s less than planned", batcher.Size(-l.Bytes))
	}
	return batcher.Source{What: "GPU memory, measured", Value: value, From: l.From}
}
