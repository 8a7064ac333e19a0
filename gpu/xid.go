package gpu

// XID is a critical error that the driver reported while the probe watched.
type XID struct {
	UUID string `json:"uuid"` // of the GPU
	Code uint64 `json:"xid"`
	// GI is the GPU instance that the error belongs to; nil where it belongs to the whole GPU.
	GI *int `json:"gi,omitempty"`
}
