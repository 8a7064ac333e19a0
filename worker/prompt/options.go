package prompt

import (
	"bytes"
	"math"
)

// What the zero values of a Sampling stand for. They are the new generation's defaults; the old one has others, and a
// model may have its own.
const (
	DefaultRepeatPenalty = 1.0 // none
	DefaultRepeatLastN   = 64
)

// decodeOptions puts the sampling options that only Ollama has, and its own names of the others, over those in s.
func decodeOptions(o *object, s *Sampling) *problem {
	value := o.get(fieldOptions)
	if value == nil {
		return nil
	}
	if value[0] != '{' {
		return wrongType(value, false, "an object").under(fieldOptions.String())
	}
	var options object
	options.read(value)
	p := options.check(optionFields, unsupportedField)
	if p == nil {
		p = checkSaidOnce(o, &options)
	}
	if p == nil {
		p = decodeCommon(&options, s)
	}
	if p == nil {
		p = decodeOwn(&options, s)
	}
	if p != nil {
		return p.under(fieldOptions.String())
	}
	return nil
}

// checkSaidOnce refuses an option that stands beside the options with another value.
func checkSaidOnce(o, options *object) *problem {
	for f := range fieldCount {
		beside := f
		if f == fieldNumPredict {
			beside = fieldMaxTokens
			if o.present.has(fieldMaxCompletionTokens) {
				beside = fieldMaxCompletionTokens
			}
		}
		if options.present.has(f) && o.present.has(beside) && !bytes.Equal(options.values[f], o.values[beside]) {
			return problemf(CodeInvalidValue, f.String(), "differs from the row's %s, which means the same; remove one", beside)
		}
	}
	return nil
}

// decodeOwn reads the options that OpenAI does not have.
func decodeOwn(options *object, s *Sampling) *problem {
	if p := decodeInt(options, fieldNumPredict, 1, &s.MaxTokens); p != nil {
		return p
	}
	if p := decodeNumbers(options, []numberField{
		{fieldMinP, bounds{low: 0, high: 1}, &s.MinP},
		{fieldRepeatPenalty, bounds{low: 0, high: 10, above: true}, &s.RepeatPenalty},
	}); p != nil {
		return p
	}
	if s.RepeatPenalty == DefaultRepeatPenalty {
		s.RepeatPenalty = 0 // so that saying it changes no key
	}
	value := options.get(fieldRepeatLastN)
	if value == nil {
		return nil
	}
	v, p := integer(value, -1, math.MaxInt32)
	if p != nil {
		return p.under(fieldRepeatLastN.String())
	}
	s.RepeatLastN = nil
	if v != DefaultRepeatLastN {
		s.RepeatLastN = new(int(v))
	}
	return nil
}
