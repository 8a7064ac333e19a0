package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"fluxworker/worker/record"
	"fluxworker/worker/report/chart"
)

// maxGPUs is the largest number of GPUs with pictures of their own. The table has all.
const maxGPUs = 8

// gpuView is what a report shows of one GPU.
type gpuView struct {
	UUID, Name string
	Hours      string
	Busy       string // mean utilisation
	Peak       string // memory
	Planned    string // memory of the servers, as planned
	Measured   string // memory of the servers, as measured
	Energy     string
	Trouble    string // XIDs, or lost
	Pictures   []picture

	planned, measured int64 // bytes
	hours, busyHours  float64
	busySum           float64
	peak              uint64
	joules            float64
	metered           bool
	lost              bool
	xids              []uint64
}

// gpus returns the GPUs of all runs, in the order of their first use.
func (f *facts) gpus() []*gpuView {
	var list []*gpuView
	find := func(uuid string) *gpuView {
		for _, g := range list {
			if g.UUID == uuid {
				return g
			}
		}
		list = append(list, &gpuView{UUID: uuid, metered: true})
		return list[len(list)-1]
	}
	for _, s := range f.summaries() {
		for _, g := range s.GPUs {
			find(g.UUID).use(g)
		}
	}
	for _, r := range f.runs {
		if r.manifest != nil {
			// The servers of a shard are there at the same time; the tasks of an array may use a GPU one after the other.
			planned, measured := make(map[*gpuView]int64), make(map[*gpuView]int64)
			for _, s := range r.manifest.Plan.Servers {
				for i, uuid := range s.GPUs {
					g := find(uuid)
					g.Name = cmp.Or(g.Name, s.GPU)
					planned[g] += s.Bytes
					if i < len(s.MeasuredBytes) {
						measured[g] += s.MeasuredBytes[i]
					}
				}
			}
			for g := range planned {
				g.planned, g.measured = max(g.planned, planned[g]), max(g.measured, measured[g])
			}
		}
		for _, m := range slices.Concat(r.moments...) {
			for _, g := range m.GPUs {
				find(g.UUID)
			}
		}
	}
	for i, g := range list {
		if i < maxGPUs && f.axis.total > 0 {
			g.Pictures = f.gpuPictures(g, i)
		}
		g.texts()
	}
	return list
}

// use adds the use of an attempt.
func (g *gpuView) use(u record.GPUUse) {
	g.Name = cmp.Or(g.Name, u.Name)
	g.hours += u.Hours
	g.peak = max(g.peak, u.PeakMemoryBytes)
	g.lost = g.lost || u.Lost
	g.xids = append(g.xids, u.XIDs...)
	if u.MeanUtilisation != nil {
		g.busySum, g.busyHours = g.busySum+*u.MeanUtilisation*u.Hours, g.busyHours+u.Hours
	}
	if g.metered = g.metered && u.Joules != nil; g.metered {
		g.joules += *u.Joules
	}
}

// texts sets the cells of the table.
func (g *gpuView) texts() {
	g.UUID, g.Name = clip(g.UUID, maxName), clip(g.Name, maxName)
	if g.hours > 0 {
		g.Hours = chart.Seconds(rounded(g.hours * 3600))
	}
	if g.busyHours > 0 {
		g.Busy = fmt.Sprintf("%.0f %%", g.busySum/g.busyHours)
	}
	if g.peak > 0 {
		g.Peak = size(int64(g.peak))
	}
	if g.planned > 0 {
		g.Planned = size(g.planned)
	}
	if g.measured > 0 {
		g.Measured = size(g.measured)
	}
	if g.metered && g.joules > 0 {
		g.Energy = chart.Number(g.joules/3600) + " Wh"
	}
	var trouble []string
	if g.lost {
		trouble = append(trouble, "lost")
	}
	slices.Sort(g.xids)
	for _, x := range slices.Compact(g.xids) {
		trouble = append(trouble, fmt.Sprintf("XID %d", x))
	}
	g.Trouble = strings.Join(trouble, ", ")
}

// means are mean values by step; NaN for a step without a value.
type means struct{ sum, weight []float64 }

func newMeans() means { return means{make([]float64, mostSteps), make([]float64, mostSteps)} }

func (m means) add(step int, part, v float64) { m.sum[step] += v * part; m.weight[step] += part }

// values returns the means; some is false where there is none.
func (m means) values() (values []float64, some bool) {
	values = make([]float64, len(m.sum))
	for i := range values {
		values[i] = math.NaN()
		if m.weight[i] > 0 {
			values[i], some = m.sum[i]/m.weight[i], true
		}
	}
	return values, some
}

// gpuPictures returns memory, utilisation and power of a GPU over time, as far as the driver reports them.
func (f *facts) gpuPictures(g *gpuView, number int) (list []picture) {
	x := f.axis
	used, busy, watts := newMeans(), newMeans(), newMeans()
	total := uint64(0)
	on := make(map[string]bool) // shards with this GPU
	for _, r := range f.runs {
		for _, moments := range r.moments {
			for i := 1; i < len(moments); i++ {
				at := slices.IndexFunc(moments[i].GPUs, func(m record.GPUMoment) bool { return m.UUID == g.UUID })
				if at < 0 {
					continue
				}
				m := moments[i].GPUs[at]
				on[r.name] = true
				total = max(total, m.TotalBytes)
				x.spread(moments[i-1].At, moments[i].At, func(step int, part float64) {
					used.add(step, part, float64(m.UsedBytes)/gib)
					if m.Utilisation != nil {
						busy.add(step, part, *m.Utilisation)
					}
					if m.Watts != nil {
						watts.add(step, part, *m.Watts)
					}
				})
			}
		}
	}
	marks := marksOf(slices.DeleteFunc(slices.Clone(f.events), func(e event) bool { return !on[e.Shard] }))
	add := func(name, title, unit string, most float64, caption string, series ...chart.Series) {
		l := chart.Lines{
			Text: chart.Text{ID: fmt.Sprintf("gpu%d-%s", number, name), Title: title, Description: describe(unit, x.total, series)},
			Unit: unit, Seconds: x.total, Most: most, Series: series, Marks: marks,
		}
		list = append(list, picture{Title: title, SVG: l.SVG(), Legend: legendOf(series), Caption: caption})
	}
	if values, some := used.values(); some {
		series := []chart.Series{{Name: "used", Area: true, Values: values}}
		if g.planned > 0 {
			series = append(series, level("planned", float64(g.planned)/gib))
		}
		if g.measured > 0 {
			series = append(series, level("measured after loading", float64(g.measured)/gib))
		}
		series = append(series, level("all of the GPU", float64(total)/gib))
		add("memory", "Memory", "GiB", 0, "The distance from the used memory to the top line is free.", series...)
	}
	if values, some := busy.values(); some {
		add("busy", "Utilisation", "%", 100, "", chart.Series{Name: "utilisation", Area: true, Values: values})
	}
	if values, some := watts.values(); some {
		add("power", "Power", "W", 0, "", chart.Series{Name: "power", Area: true, Values: values})
	}
	return list
}

// level returns a line at one height.
func level(name string, v float64) chart.Series {
	values := make([]float64, mostSteps)
	for i := range values {
		values[i] = v
	}
	return chart.Series{Name: name, Values: values}
}
