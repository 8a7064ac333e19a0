package record

// Histogram counts values in buckets.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper bounds in seconds, growing; the last bucket has no bound
	Counts []int64   `json:"counts"` // len(Bounds)+1
}
