package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the suffixes of sizes, the largest first. They are powers of 1024, as in sbatch --mem.
const sizeUnits = "TGMK"

var errNoSize = errors.New("is not a size")

// sizeValue is a flag for an amount of memory in bytes: 64M, 16G, or a bare number of bytes.
type sizeValue int64

func (v *sizeValue) String() string { return sizeText(int64(*v)) }

func (v *sizeValue) Type() string { return "size" }

func (v *sizeValue) Set(s string) error {
	n, err := parseSize(s, 1)
	*v = sizeValue(n)
	return err
}

// parseSize reads a number with K, M, G or T, each also as KB or KiB in upper or lower case. A bare number counts units of
// so many bytes.
func parseSize(s string, bare int64) (int64, error) {
	upper := strings.ToUpper(s)
	digits := strings.TrimSuffix(strings.TrimSuffix(upper, "B"), "I")
	unit := bare
	if i := strings.IndexByte(sizeUnits, lastByte(digits)); i >= 0 {
		unit, digits = 1<<(10*(len(sizeUnits)-i)), digits[:len(digits)-1]
	} else if digits != upper {
		return 0, errNoSize
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, errNoSize
	}
	return n * unit, nil
}

func lastByte(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// sizeText writes a size so that parseSize reads it back, with the largest unit that divides it.
func sizeText(n int64) string {
	for i, suffix := range sizeUnits {
		if unit := int64(1) << (10 * (len(sizeUnits) - i)); n != 0 && n%unit == 0 {
			return fmt.Sprintf("%d%c", n/unit, suffix)
		}
	}
	return strconv.FormatInt(n, 10)
}
