package schema

import (
	"strconv"
	"strings"
)

// computable reports whether a JSON number has at most limit digits and an exponent of at most limit. The library
// converts numbers to fractions of whole numbers: the time grows with the digits, and beyond an exponent of a million
// the library fails with a panic.
func computable(number string, limit int) bool { return digits(number) <= limit }

// digits returns about how many digits a JSON number has when it is written without exponent.
func digits(number string) int {
	mantissa, exponent, has := strings.Cut(strings.ToLower(number), "e")
	if !has {
		return len(mantissa)
	}
	e, err := strconv.Atoi(exponent)
	if err != nil {
		return maxInt // an exponent beyond the range of int
	}
	return max(len(mantissa), max(e, -e))
}

const maxInt = int(^uint(0) >> 1)
