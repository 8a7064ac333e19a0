package report

import (
	"fmt"

	"fluxworker/worker/report/chart"
)

// size returns a number of bytes for people, in powers of 1024.
func size(bytes int64) string {
	v, unit := float64(bytes), 0
	for names := len(byteUnits); v >= 1024 && unit < names-1; unit++ {
		v /= 1024
	}
	return fmt.Sprintf("%s %s", chart.Number(v), byteUnits[unit])
}

var byteUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB"}

// gib is the number of bytes of a GiB.
const gib = 1 << 30
