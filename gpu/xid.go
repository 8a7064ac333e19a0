package gpu

// XID is a critical error that the driver reported while the probe was watching.
type XID struct {
	UUID string `json:"uuid"` // UUID of the GPU; empty if the driver cannot identify the GPU any more
	Code uint64 `json:"xid"`
	// GI is the GPU instance with the error; nil if the error concerns the whole GPU.
	GI *int `json:"gi,omitempty"`
}

// Consequence is the effect of an error on a GPU.
type Consequence int

// The consequences.
const (
	// Passing means that the GPU still works; at most the process at fault has ended.
	Passing Consequence = iota
	// ProcessesDie means that the processes on the GPU are lost, and that a new process works.
	ProcessesDie
	// Unusable means that the GPU does not work until a reset or a restart of the node, which a job cannot do.
	Unusable
)

// Consequence returns the effect of the error, from NVIDIA's catalog of XIDs where its immediate action is clear. All
// other errors count as Passing: most of them (13, 31, 43, 45) are faults of an application, and a GPU that does not
// answer any more (62, 119, 120) is detected because its server hangs.
func (x XID) Consequence() Consequence {
	switch x.Code {
	case 79, // the GPU has fallen off the bus: the node needs a restart
		95: // uncontained memory error: all processes on the GPU end, and none can start before a reset
		return Unusable
	case 48, // double-bit memory error: the affected contexts are dead, and the page is retired
		94: // contained memory error: the application needs a restart
		return ProcessesDie
	}
	// 63 and 64 record that a row or page of memory was replaced, or could not be. Running processes continue.
	return Passing
}

// Hits reports whether the error concerns the device: the GPU itself, or a MIG instance if the error names no instance
// or this one.
func (x XID) Hits(d Device) bool {
	switch {
	case x.UUID == "":
		return false
	case d.MIG():
		return d.Parent == x.UUID && (x.GI == nil || *x.GI == d.GI)
	}
	return d.UUID == x.UUID
}
