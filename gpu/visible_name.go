package gpu

import (
	"slices"
	"strconv"
)

// VisibleName returns the entry of CUDA_VISIBLE_DEVICES for a device of the report, with CUDA_DEVICE_ORDER=PCI_BUS_ID: the number of a
// GPU among those that this process can open, since vLLM takes no UUID, and the UUID of a MIG instance.
func (r Report) VisibleName(d Device) string {
	if d.MIG() {
		return d.UUID
	}
	i := slices.IndexFunc(newNode(r).open(), func(c card) bool { return c.UUID == d.UUID })
	if i < 0 {
		return d.UUID
	}
	return strconv.Itoa(i)
}
