package gpu

// XID is a critical error that the driver reported while the probe watched.
type XID struct {
	UUID string `json:"uuid"` // of the GPU; empty where the driver cannot name it any more
	Code uint64 `json:"xid"`
	// GI is the GPU instance that the error belongs to; nil where it belongs to the whole GPU.
	GI *int `json:"gi,omitempty"`
}

// Consequence is what an error leaves of a GPU.
type Consequence int

// The consequences.
const (
	// Passing errors leave the GPU as it is, or end just the process that is to blame.
	Passing Consequence = iota
	// ProcessesDie means that what runs on the GPU is lost, and that a new process works.
	ProcessesDie
	// Unusable means that the GPU does nothing any more before it is reset or the node restarted, which no job can do.
	Unusable
)

// Consequence follows NVIDIA's catalog of XIDs where its immediate action leaves no doubt. All others count as passing:
// most of them (13, 31, 43, 45) are an application's own fault, and of a GPU that does not answer any more (62, 119, 120)
// its server tells by hanging.
func (x XID) Consequence() Consequence {
	switch x.Code {
	case 79, // the GPU has fallen off the bus: restart the node
		95: // memory error that was not contained: every process on the GPU ends, and none may start before a reset
		return Unusable
	case 48, // double bit memory error: the contexts that meet it are dead, and the page is taken out of use
		94: // contained memory error: restart the application
		return ProcessesDie
	}
	// 63 and 64 record that a row or page of memory was exchanged, or could not be. What runs goes on.
	return Passing
}

// Hits tells whether the error belongs to the device: to the GPU itself, or to a MIG instance where it names none or that one.
func (x XID) Hits(d Device) bool {
	switch {
	case x.UUID == "":
		return false
	case d.MIG():
		return d.Parent == x.UUID && (x.GI == nil || *x.GI == d.GI)
	}
	return d.UUID == x.UUID
}
