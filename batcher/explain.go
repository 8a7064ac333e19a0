package batcher

import (
	"fmt"

	"fluxworker/modelcfg"
)

// explain adds warnings and sources for the finished plan.
func (p *Plan) explain(m modelcfg.Model, a modelcfg.Architecture, j job, w Request) {
	if p.RuleOfThumb {
		p.warn("the architecture of %s is not known: memory is counted by a rule of thumb, far from exact", m.Name)
		p.source("memory", "rule of thumb", "model list")
	} else {
		p.source("architecture", a.Family, a.Source)
	}
	used := make([]int, len(p.Devices))
	for i, b := range p.Devices {
		for _, s := range p.Servers {
			for _, d := range s.Devices {
				if d.UUID == b.Device.UUID && d.Index == b.Device.Index {
					used[i] += s.Slots
				}
			}
		}
	}
	for i, b := range p.Devices {
		switch {
		case b.Unusable != "":
			p.warn("%s is not used: %s", name(b.Device), b.Unusable)
		case used[i] == 0:
			p.warn("%s is not used: a server does not fit its %s, alone or in a group that would be of use", name(b.Device), Size(b.Headroom))
		case used[i] < j.wantedSlots && !w.AllowCPULayers:
			what := "the YAML's batch size"
			if w.Slots > 0 {
				what = "the batch size asked for"
			}
			p.warn("%s holds %s: fewer than %d, %s", name(b.Device), rows(used[i], j.oneSlot), j.wantedSlots, what)
		}
	}
}

func rows(n int, oneSlot bool) string {
	switch {
	case oneSlot && n == 1:
		return "1 server with one slot"
	case oneSlot:
		return fmt.Sprintf("%d servers with one slot each", n)
	case n == 1:
		return "1 slot"
	}
	return fmt.Sprintf("%d slots", n)
}
