package batcher

import (
	"fmt"
	"math/bits"
)

const (
	kib int64 = 1 << 10
	mib int64 = 1 << 20
	gib int64 = 1 << 30

	// maxBytes is the limit of products and sums. It is far more than any machine has, and small enough that the sum of
	// the terms of all servers cannot overflow.
	maxBytes int64 = 1 << 52
)

// times multiplies factors of at least 0. The result is at most maxBytes.
func times(factors ...int64) int64 {
	product := uint64(1)
	for _, f := range factors {
		high, low := bits.Mul64(product, uint64(max(f, 0)))
		if high != 0 || low > uint64(maxBytes) {
			if containsZero(factors) {
				return 0
			}
			return maxBytes
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

// plus adds two numbers of at least 0. The result is at most maxBytes.
func plus(a, b int64) int64 { return min(a+b, maxBytes) }

// share returns bytes · part / whole, rounded up, and at most bytes.
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

// Size formats bytes for users, in powers of 1024 with one decimal.
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
