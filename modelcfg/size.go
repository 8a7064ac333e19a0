package modelcfg

import (
	"errors"
	"strconv"
	"strings"
)

// maxSize is 1 PiB, so that sums of sizes cannot overflow.
const maxSize = 1 << 50

// parseSize converts a size such as "16GB" to bytes, 1 to maxSize. K, M, G and T are powers of 1024, with or without
// the i: a "16GB" GPU has 16 GiB, and LLMFlux's files use this meaning.
func parseSize(s string) (int64, error) {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return 0, errors.New("parse size: no unit")
	}
	number, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return 0, errors.New("parse size: no number")
	}
	unit := strings.ToUpper(strings.TrimSpace(s[end:]))
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
	shift := map[string]int{"K": 10, "M": 20, "G": 30, "T": 40}[unit]
	if shift == 0 {
		return 0, errors.New("parse size: unknown unit")
	}
	bytes := number * float64(int64(1)<<shift)
	if !(bytes >= 1 && bytes <= maxSize) {
		return 0, errors.New("parse size: out of range")
	}
	return int64(bytes), nil
}
