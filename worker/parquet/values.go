package parquet

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// writerOf returns the function that writes the values of a leaf column as JSON.
func writerOf(t pq.Type) func([]byte, pq.Value) []byte {
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.StringType, *format.EnumType:
			return func(b []byte, v pq.Value) []byte { return appendString(b, v.ByteArray()) }
		case *format.JsonType:
			return appendJSON
		case *format.DateType:
			return func(b []byte, v pq.Value) []byte {
				return appendTime(b, time.Unix(int64(v.Int32())*86400, 0), time.DateOnly)
			}
		case *format.TimeType:
			return timeWriter(t.Kind(), unitOf(l.Unit))
		case *format.TimestampType:
			return timestampWriter(unitOf(l.Unit), l.IsAdjustedToUTC)
		case *format.DecimalType:
			return decimalWriter(t.Kind(), int(l.Scale))
		case *format.UUIDType:
			return appendUUID
		case *format.IntType:
			if !l.IsSigned {
				return unsignedWriter(t.Kind())
			}
		case *format.NullType:
			return func(b []byte, _ pq.Value) []byte { return append(b, "null"...) }
		}
	}
	switch t.Kind() {
	case pq.Boolean:
		return func(b []byte, v pq.Value) []byte { return strconv.AppendBool(b, v.Boolean()) }
	case pq.Int32:
		return func(b []byte, v pq.Value) []byte { return strconv.AppendInt(b, int64(v.Int32()), 10) }
	case pq.Int64:
		return func(b []byte, v pq.Value) []byte { return strconv.AppendInt(b, v.Int64(), 10) }
	case pq.Int96:
		return appendInt96
	case pq.Float:
		return func(b []byte, v pq.Value) []byte { return appendFloat(b, float64(v.Float()), 32) }
	case pq.Double:
		return func(b []byte, v pq.Value) []byte { return appendFloat(b, v.Double(), 64) }
	}
	return appendBytes
}

func unsignedWriter(k pq.Kind) func([]byte, pq.Value) []byte {
	if k == pq.Int32 {
		return func(b []byte, v pq.Value) []byte { return strconv.AppendUint(b, uint64(v.Uint32()), 10) }
	}
	return func(b []byte, v pq.Value) []byte { return strconv.AppendUint(b, v.Uint64(), 10) }
}

// appendFloat writes a number; NaN and infinity, which JSON does not have, as null.
func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	form := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		form = 'e'
	}
	return strconv.AppendFloat(b, f, form, -1, bits)
}

// appendString writes a text. Bytes that are no UTF-8 stay, so that the row is refused for them.
func appendString(b, text []byte) []byte {
	b = append(b, '"')
	from := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, text[from:]...), '"')
}

const hexDigits = "0123456789abcdef"

// appendJSON writes a value of JSON as it is, and a broken value as text.
func appendJSON(b []byte, v pq.Value) []byte {
	if text := v.ByteArray(); !json.Valid(text) {
		return appendString(b, text)
	}
	return append(b, v.ByteArray()...)
}

// appendBytes writes bytes without an annotation: as text where they are UTF-8, because old writers do not annotate texts, and else
// in base64.
func appendBytes(b []byte, v pq.Value) []byte {
	if bytes := v.ByteArray(); v.Kind() == pq.FixedLenByteArray || !utf8.Valid(bytes) {
		b = append(b, '"')
		return append(base64.StdEncoding.AppendEncode(b, bytes), '"')
	}
	return appendString(b, v.ByteArray())
}

func appendUUID(b []byte, v pq.Value) []byte {
	id := v.ByteArray()
	if len(id) != 16 {
		return appendBytes(b, v)
	}
	b = append(b, '"')
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return append(b, '"')
}

func appendTime(b []byte, t time.Time, layout string) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), layout), '"')
}

// clockLayout and localLayout are ISO 8601 without a zone.
const (
	clockLayout = "15:04:05.999999999"
	localLayout = time.DateOnly + "T" + clockLayout
)

func timeWriter(k pq.Kind, unit int64) func([]byte, pq.Value) []byte {
	return func(b []byte, v pq.Value) []byte {
		n := int64(0)
		if k == pq.Int32 {
			n = int64(v.Int32())
		} else {
			n = v.Int64()
		}
		return appendTime(b, time.Unix(0, n*unit), clockLayout)
	}
}

// timestampWriter writes a time with a Z if it is one of UTC, and without a zone if it is local.
func timestampWriter(unit int64, utc bool) func([]byte, pq.Value) []byte {
	layout := localLayout
	if utc {
		layout = time.RFC3339Nano
	}
	second := int64(time.Second) / unit
	return func(b []byte, v pq.Value) []byte {
		n := v.Int64()
		return appendTime(b, time.Unix(n/second, n%second*unit), layout)
	}
}

// julianUnix is the Julian day of 1970-01-01.
const julianUnix = 2440588

// appendInt96 writes a time of old writers: nanoseconds of a day, then the Julian day.
func appendInt96(b []byte, v pq.Value) []byte {
	i := v.Int96()
	nanoseconds := int64(i[0]) | int64(i[1])<<32
	return appendTime(b, time.Unix((int64(i[2])-julianUnix)*86400, nanoseconds), localLayout)
}

// decimalWriter writes decimals with a number of digits behind the point.
func decimalWriter(k pq.Kind, scale int) func([]byte, pq.Value) []byte {
	return func(b []byte, v pq.Value) []byte {
		unscaled := new(big.Int)
		switch k {
		case pq.Int32:
			unscaled.SetInt64(int64(v.Int32()))
		case pq.Int64:
			unscaled.SetInt64(v.Int64())
		default: // big-endian, in two's complement
			bytes := v.ByteArray()
			unscaled.SetBytes(bytes)
			if len(bytes) > 0 && bytes[0]&0x80 != 0 {
				unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(len(bytes))*8))
			}
		}
		digits, sign := unscaled.String(), ""
		if strings.HasPrefix(digits, "-") {
			digits, sign = digits[1:], "-"
		}
		if scale <= 0 {
			return append(append(b, sign...), digits...)
		}
		if missing := scale + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		at := len(digits) - scale
		return append(append(b, sign...), digits[:at]+"."+digits[at:]...)
	}
}
