package batcher

import (
	"fmt"
	"strings"

	"fluxworker/modelcfg"
)

// LayersError is a YAML or a model whose own number of layers on the GPU leaves some layers on the CPU without
// --allow-cpu-layers.
type LayersError struct {
	Model     modelcfg.Model
	GPULayers int
	Layers    int  // number of layers of the model; 0 if unknown
	Own       bool // the number is num_gpu of the model's own parameters
}

func (e *LayersError) Error() string {
	of := "its"
	if e.Layers > 0 {
		of = fmt.Sprintf("the model's %d", e.Layers)
	}
	if e.Own {
		return fmt.Sprintf("model %s has num_gpu %d among its own parameters: the rest of %s layers would run on the CPU, many times slower; create the model without num_gpu, or say --allow-cpu-layers",
			e.Model.Name, e.GPULayers, of)
	}
	return fmt.Sprintf("%s: resources.gpu_layers is %d: the rest of %s layers would run on the CPU, many times slower; remove gpu_layers, or say --allow-cpu-layers",
		e.Model.File, e.GPULayers, of)
}

// CacheTypeError is an unsupported KV cache type.
type CacheTypeError struct {
	Type string
}

func (e *CacheTypeError) Error() string {
	return fmt.Sprintf("KV cache type is %q; it must be one of %s", e.Type, strings.Join(cacheTypes, ", "))
}

// DoesNotFitError is a model without room for even one slot, with the arithmetic.
type DoesNotFitError struct {
	Model       string
	Context     int
	KVCacheType string
	Group       int    // number of devices in the layout with the smallest lack
	Terms       []Term // memory of one slot on each device of that layout
	Bytes       int64  // sum of Terms
	Devices     []Budget
	// Nearest is the index in Devices of the device that lacks memory in that layout.
	Nearest int
	// Changes holds changes that each make one slot fit, the smallest first; empty if none was found.
	Changes []Change
}

// Change is a change that makes a model fit. Unchanged fields are zero.
type Change struct {
	KVCacheType string
	Context     int
	GPUs        int // of the kind of the largest there is
}

// String returns the change as command line options.
func (c Change) String() string {
	var parts []string
	if c.KVCacheType != "" {
		parts = append(parts, "--kv-cache-type "+c.KVCacheType)
	}
	if c.Context > 0 {
		parts = append(parts, fmt.Sprintf("--context %d", c.Context))
	}
	if c.GPUs > 0 {
		parts = append(parts, fmt.Sprintf("%d such GPUs", c.GPUs))
	}
	return strings.Join(parts, " and ")
}

func (e *DoesNotFitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s does not fit: one slot of %d tokens with an %s cache needs %s on ", e.Model, e.Context, e.KVCacheType, Size(e.Bytes))
	if e.Group > 1 {
		fmt.Fprintf(&b, "each of %d GPUs (", e.Group)
	} else {
		b.WriteString("one GPU (")
	}
	for i, t := range e.Terms {
		if i > 0 {
			b.WriteString(" + ")
		}
		fmt.Fprintf(&b, "%s %s", t.Name, Size(t.Bytes))
	}
	d := e.Devices[e.Nearest]
	fmt.Fprintf(&b, "); %s has %s (free %s - reserve %s)", name(d.Device), Size(d.Headroom), Size(d.Free), Size(d.Reserve))
	if len(e.Changes) == 0 {
		fmt.Fprintf(&b, "; no smaller context, cache type or number of such GPUs makes it fit: it needs GPUs with more memory")
		return b.String()
	}
	b.WriteString("; it would fit with ")
	for i, c := range e.Changes {
		if i > 0 {
			b.WriteString(", or ")
		}
		b.WriteString(c.String())
	}
	return b.String()
}
