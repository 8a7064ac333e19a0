package prompt

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// maxStops is how many stop strings a row may have. OpenAI takes four, but the server has no such limit.
const maxStops = 16

// decodeSampling puts the options that an object has over those in s.
func decodeSampling(o *object, s *Sampling) *problem {
	if p := decodeMaxTokens(o, &s.MaxTokens); p != nil {
		return p
	}
	if p := decodeCommon(o, s); p != nil {
		return p
	}
	return decodeOptions(o, s)
}

// decodeCommon reads the options that a row and the options in it call by the same names.
func decodeCommon(o *object, s *Sampling) *problem {
	if p := decodeInt(o, fieldTopK, 0, &s.TopK); p != nil {
		return p
	}
	if p := decodeNumbers(o, []numberField{
		{fieldTemperature, bounds{low: 0, high: 2}, &s.Temperature},
		{fieldTopP, bounds{low: 0, high: 1, above: true}, &s.TopP},
		{fieldFrequencyPenalty, bounds{low: -2, high: 2}, &s.FrequencyPenalty},
		{fieldPresencePenalty, bounds{low: -2, high: 2}, &s.PresencePenalty},
	}); p != nil {
		return p
	}
	if value := o.get(fieldSeed); value != nil {
		v, p := integer(value, math.MinInt64, math.MaxInt64)
		if p != nil {
			return p.under(fieldSeed.String())
		}
		s.Seed = &v
	}
	if value := o.get(fieldStop); value != nil {
		v, p := decodeStop(value)
		if p != nil {
			return p.under(fieldStop.String())
		}
		s.Stop = v
	}
	return nil
}

// numberField is a field that holds a number, and where it goes.
type numberField struct {
	field  field
	bounds bounds
	into   *float64
}

func decodeNumbers(o *object, fields []numberField) *problem {
	for _, f := range fields {
		value := o.get(f.field)
		if value == nil {
			continue
		}
		v, p := number(value, f.bounds)
		if p != nil {
			return p.under(f.field.String())
		}
		*f.into = v
	}
	return nil
}

// decodeMaxTokens reads the limit of the answer's length, which has an old and a new name.
func decodeMaxTokens(o *object, into *int) *problem {
	older, newer := *into, *into
	if p := decodeInt(o, fieldMaxTokens, 1, &older); p != nil {
		return p
	}
	if p := decodeInt(o, fieldMaxCompletionTokens, 1, &newer); p != nil {
		return p
	}
	switch {
	case !o.present.has(fieldMaxCompletionTokens):
		*into = older
	case o.present.has(fieldMaxTokens) && older != newer:
		return problemf(CodeInvalidValue, fieldMaxCompletionTokens.String(),
			"is %d, but max_tokens is %d; they mean the same, remove one", newer, older)
	default:
		*into = newer
	}
	return nil
}

// checkDelivery refuses what would make anything but whole texts of a row.
func checkDelivery(o *object) *problem {
	if stream, p := decodeBool(o, fieldStream); p != nil {
		return p
	} else if stream {
		return problemf(CodeUnsupported, fieldStream.String(), "is true; answers are written whole, remove it")
	}
	if value := o.get(fieldVerbosity); value != nil && string(value) != `"medium"` {
		return problemf(CodeUnsupported, fieldVerbosity.String(), "is not medium; Ollama's models have no such setting, ask for it in the prompt")
	}
	if value := o.get(fieldModalities); value != nil && !isTextAlone(value) {
		return problemf(CodeUnsupported, fieldModalities.String(), `is not ["text"]; Ollama makes nothing else`)
	}
	return nil
}

// isTextAlone knows the list that holds the one string text, however it is spaced.
func isTextAlone(value []byte) bool {
	var list bytes.Buffer
	json.Compact(&list, value) // which cannot fail: it is valid
	return list.String() == `["text"]`
}

// decodeStop reads a stop string or a list of them. The strings may be parts of the prompt, so they are not shown.
func decodeStop(value []byte) ([]string, *problem) {
	return decodeStrings(value, stringsRule{empty: "is an empty string, which would end every answer at once", most: maxStops, many: "strings", show: true})
}

// bounds is the range of a number, low excluded where above is set.
type bounds struct {
	low, high float64
	above     bool
}

func number(value []byte, b bounds) (float64, *problem) {
	if !isNumber(value) {
		return 0, wrongType(value, true, "a number")
	}
	v, err := strconv.ParseFloat(string(value), 64)
	if err == nil && v >= b.low && v <= b.high && !(b.above && v == b.low) {
		return v + 0, nil // never -0
	}
	between := "from %g to %g"
	if b.above {
		between = "above %g, to %g"
	}
	return 0, problemf(CodeInvalidValue, "", "is %s; it must be "+between, cut(string(value)), b.low, b.high)
}

// decodeInt reads an integer of at least low that the server holds in 32 bits.
func decodeInt(o *object, f field, low int64, into *int) *problem {
	value := o.get(f)
	if value == nil {
		return nil
	}
	v, p := integer(value, low, math.MaxInt32)
	if p != nil {
		return p.under(f.String())
	}
	*into = int(v)
	return nil
}

// integer reads a whole number. It takes 256.0 too: that is how pandas writes a column of integers with a gap in it.
func integer(value []byte, low, high int64) (int64, *problem) {
	if !isNumber(value) {
		return 0, wrongType(value, true, "a whole number")
	}
	v, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		const exact = 1 << 53 // above it a float64 is no longer sure to be the number that was written
		f, floatErr := strconv.ParseFloat(string(value), 64)
		if floatErr == nil && f != math.Trunc(f) {
			return 0, wrongType(value, true, "a whole number")
		}
		if floatErr == nil && math.Abs(f) <= exact {
			v, err = int64(f), nil
		}
	}
	if err != nil || v < low || v > high {
		return 0, problemf(CodeInvalidValue, "", "is %s; it must be a whole number from %d to %d", cut(string(value)), low, high)
	}
	return v, nil
}

func isNumber(value []byte) bool { return value[0] == '-' || '0' <= value[0] && value[0] <= '9' }
