package prompt

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// maxStops is the largest number of stop strings in a row. OpenAI's API accepts four, but Ollama has no such limit.
const maxStops = 16

// decodeSampling overrides s with the sampling options of an object.
func decodeSampling(o *object, s *Sampling) *rowError {
	if p := decodeMaxTokens(o, &s.MaxTokens); p != nil {
		return p
	}
	if p := decodeCommon(o, s); p != nil {
		return p
	}
	return decodeOptions(o, s)
}

// decodeCommon reads the options with the same name in a row and in its field options.
func decodeCommon(o *object, s *Sampling) *rowError {
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

// numberField is a numeric field, its range and its destination.
type numberField struct {
	field  field
	bounds bounds
	into   *float64
}

func decodeNumbers(o *object, fields []numberField) *rowError {
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
func decodeMaxTokens(o *object, into *int) *rowError {
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
		return rowErrorf(CodeInvalidValue, fieldMaxCompletionTokens.String(),
			"is %d, but max_tokens is %d; they mean the same, remove one", newer, older)
	default:
		*into = newer
	}
	return nil
}

// checkDelivery rejects options for any output other than complete texts.
func checkDelivery(o *object) *rowError {
	if stream, p := decodeBool(o, fieldStream); p != nil {
		return p
	} else if stream {
		return rowErrorf(CodeUnsupported, fieldStream.String(), "is true; answers are written complete, remove the field")
	}
	if value := o.get(fieldVerbosity); value != nil && string(value) != `"medium"` {
		return rowErrorf(CodeUnsupported, fieldVerbosity.String(), "is not medium; Ollama has no such option, put it into the prompt")
	}
	if value := o.get(fieldModalities); value != nil && !isTextAlone(value) {
		return rowErrorf(CodeUnsupported, fieldModalities.String(), `is not ["text"]; Ollama generates text only`)
	}
	return nil
}

// isTextAlone reports whether a list holds the string text only, with any spacing.
func isTextAlone(value []byte) bool {
	var list bytes.Buffer
	json.Compact(&list, value) // cannot fail: value is valid JSON
	return list.String() == `["text"]`
}

// decodeStop reads a stop string or a list of them. A stop string may be part of the prompt, so no error shows it.
func decodeStop(value []byte) ([]string, *rowError) {
	return decodeStrings(value, stringsRule{empty: "is an empty string, which would end every answer at once", max: maxStops, many: "strings", show: true})
}

// bounds is the range of a number. If above is true, low itself is excluded.
type bounds struct {
	low, high float64
	above     bool
}

func number(value []byte, b bounds) (float64, *rowError) {
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
	return 0, rowErrorf(CodeInvalidValue, "", "is %s; it must be "+between, cut(string(value)), b.low, b.high)
}

// decodeInt reads an integer from low to the maximum of 32 bits, which is the server's limit.
func decodeInt(o *object, f field, low int64, into *int) *rowError {
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

// integer reads a whole number. It accepts 256.0, too: pandas writes this form in a column of integers with missing
// values.
func integer(value []byte, low, high int64) (int64, *rowError) {
	if !isNumber(value) {
		return 0, wrongType(value, true, "a whole number")
	}
	v, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		const exact = 1 << 53 // above this value a float64 may not be exact
		f, floatErr := strconv.ParseFloat(string(value), 64)
		if floatErr == nil && f != math.Trunc(f) {
			return 0, wrongType(value, true, "a whole number")
		}
		if floatErr == nil && math.Abs(f) <= exact {
			v, err = int64(f), nil
		}
	}
	if err != nil || v < low || v > high {
		return 0, rowErrorf(CodeInvalidValue, "", "is %s; it must be a whole number from %d to %d", cut(string(value)), low, high)
	}
	return v, nil
}

func isNumber(value []byte) bool { return value[0] == '-' || '0' <= value[0] && value[0] <= '9' }
