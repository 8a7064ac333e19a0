package prompt

import (
	"bytes"
	"math"
)

// Meanings of the zero values in Sampling. They are the defaults of Ollama's new generation; the old generation has
// others, and a model may have its own.
const (
	DefaultRepeatPenalty = 1.0 // no penalty
	DefaultRepeatLastN   = 64
)

// decodeOptions reads the field options: sampling options that only Ollama has, and Ollama's names of the others.
func decodeOptions(o *object, s *Sampling) *rowError {
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
		p = checkDuplicates(o, &options)
	}
	if p == nil {
		p = decodeCommon(&options, s)
	}
	if p == nil {
		p = decodeOllamaOptions(&options, s)
	}
	if p != nil {
		return p.under(fieldOptions.String())
	}
	return nil
}

// checkDuplicates returns an error if an option differs from the row's own field for it.
func checkDuplicates(o, options *object) *rowError {
	for f := range fieldCount {
		beside := f
		if f == fieldNumPredict {
			beside = fieldMaxTokens
			if o.present.has(fieldMaxCompletionTokens) {
				beside = fieldMaxCompletionTokens
			}
		}
		if options.present.has(f) && o.present.has(beside) && !bytes.Equal(options.values[f], o.values[beside]) {
			return rowErrorf(CodeInvalidValue, f.String(), "differs from the row's %s, which means the same; remove one", beside)
		}
	}
	return nil
}

// decodeOllamaOptions reads the options that OpenAI's API does not have.
func decodeOllamaOptions(options *object, s *Sampling) *rowError {
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
		s.RepeatPenalty = 0 // so that the explicit default gives the same key
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
