package batcher

import (
	"fmt"
	"math/bits"
)

const (
	kib int64 = 1 << 10
	mib int64 = 1 << 20
	gib int64 = 1 << 30

	// tooMuch is where products and sums stop growing: far above any machine, and low enough that adding up the
	// terms of all servers cannot overflow.
	tooMuch int64 = 1 << 52
)

// times multiplies factors of at least 0, at most tooMuch.
func times(factors ...int64) int64 {
	product := uint64(1)
	for _, f := range factors {
		high, low := bits.Mul64(product, uint64(max(f, 0)))
		if high != 0 || low > uint64(tooMuch) {
			if containsZero(factors) {
				return 0
			}
			return tooMuch
		}
		product = low
	}
	return int64(product)
}

func containsZero(factors []int64) bool {
	for _, f := range factors {
		if f <= 0 {
			return true
		}
	}
	return false
}

// plus adds numbers of at least 0, at most tooMuch.
func plus(a, b int64) int64 { return min(a+b, tooMuch) }

// share is the larger part of bytes where part of whole units have them, rounded up.
func share(bytes, part, whole int64) int64 {
	if part >= whole {
		return bytes
	}
	high, low := bits.Mul64(uint64(bytes), uint64(part))
	quotient, rest := bits.Div64(high, low, uint64(whole))
	if rest > 0 {
		quotient++
	}
	return int64(quotient)
}

// Size writes bytes for people, in powers of 1024 with one decimal.
func Size(bytes int64) string {
	switch {
	case bytes < 0:
		return "-" + Size(-bytes)
	case bytes >= gib:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/float64(gib))
	case bytes >= mib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/float64(mib))
	case bytes >= kib:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/float64(kib))
	}
	return fmt.Sprintf("%d B", bytes)
}
