package prompt

import "bytes"

// field is a known name in one of the JSON objects of a row.
type field int

const (
	fieldCustomID field = iota
	fieldMethod
	fieldURL
	fieldBody
	fieldMetadata
	fieldSystem
	fieldPrompt
	fieldMessages
	fieldModel
	fieldMaxTokens
	fieldMaxCompletionTokens
	fieldTemperature
	fieldTopP
	fieldTopK
	fieldSeed
	fieldStop
	fieldFrequencyPenalty
	fieldPresencePenalty
	fieldN
	fieldStream
	fieldOptions
	fieldMinP
	fieldRepeatPenalty
	fieldRepeatLastN
	fieldNumPredict
	fieldResponseFormat
	fieldTools
	fieldToolChoice
	fieldParallelToolCalls
	fieldLogprobs
	fieldTopLogprobs
	fieldReasoningEffort
	fieldModalities
	fieldVerbosity
	fieldSuffix
	fieldEcho
	fieldBestOf
	fieldInput
	fieldDimensions
	fieldEncodingFormat
	fieldPrediction
	fieldPromptCacheRetention
	fieldUser
	fieldStore
	fieldServiceTier
	fieldSafetyIdentifier
	fieldPromptCacheKey
	fieldRole
	fieldContent
	fieldToolCalls
	fieldToolCallID
	fieldReasoningContent
	fieldReasoning
	fieldType
	fieldText
	fieldImageURL
	fieldDetail
	fieldCount
)

// fieldNames holds the spelling of the fields. Names are compared exactly: OpenAI's API does not accept "Prompt" for
// "prompt" either, while encoding/json would.
var fieldNames = [fieldCount]string{
	fieldCustomID:             "custom_id",
	fieldMethod:               "method",
	fieldURL:                  "url",
	fieldBody:                 "body",
	fieldMetadata:             "metadata",
	fieldSystem:               "system",
	fieldPrompt:               "prompt",
	fieldMessages:             "messages",
	fieldModel:                "model",
	fieldMaxTokens:            "max_tokens",
	fieldMaxCompletionTokens:  "max_completion_tokens",
	fieldTemperature:          "temperature",
	fieldTopP:                 "top_p",
	fieldTopK:                 "top_k",
	fieldSeed:                 "seed",
	fieldStop:                 "stop",
	fieldFrequencyPenalty:     "frequency_penalty",
	fieldPresencePenalty:      "presence_penalty",
	fieldN:                    "n",
	fieldStream:               "stream",
	fieldOptions:              "options",
	fieldMinP:                 "min_p",
	fieldRepeatPenalty:        "repeat_penalty",
	fieldRepeatLastN:          "repeat_last_n",
	fieldNumPredict:           "num_predict",
	fieldResponseFormat:       "response_format",
	fieldTools:                "tools",
	fieldToolChoice:           "tool_choice",
	fieldParallelToolCalls:    "parallel_tool_calls",
	fieldLogprobs:             "logprobs",
	fieldTopLogprobs:          "top_logprobs",
	fieldReasoningEffort:      "reasoning_effort",
	fieldModalities:           "modalities",
	fieldVerbosity:            "verbosity",
	fieldSuffix:               "suffix",
	fieldEcho:                 "echo",
	fieldBestOf:               "best_of",
	fieldInput:                "input",
	fieldDimensions:           "dimensions",
	fieldEncodingFormat:       "encoding_format",
	fieldPrediction:           "prediction",
	fieldPromptCacheRetention: "prompt_cache_retention",
	fieldUser:                 "user",
	fieldStore:                "store",
	fieldServiceTier:          "service_tier",
	fieldSafetyIdentifier:     "safety_identifier",
	fieldPromptCacheKey:       "prompt_cache_key",
	fieldRole:                 "role",
	fieldContent:              "content",
	fieldToolCalls:            "tool_calls",
	fieldToolCallID:           "tool_call_id",
	fieldReasoningContent:     "reasoning_content",
	fieldReasoning:            "reasoning",
	fieldType:                 "type",
	fieldText:                 "text",
	fieldImageURL:             "image_url",
	fieldDetail:               "detail",
}

// ignored are the accepted fields without effect. They concern the user, billing, storage and speed, and cannot change
// the answer. Never add a field that could.
const ignored fieldSet = 1<<fieldUser | 1<<fieldMetadata | 1<<fieldStore | 1<<fieldServiceTier |
	1<<fieldSafetyIdentifier | 1<<fieldPromptCacheKey | 1<<fieldPromptCacheRetention | 1<<fieldPrediction

// The fields allowed in each kind of object.
const (
	samplingFields fieldSet = 1<<fieldMaxTokens | 1<<fieldMaxCompletionTokens | 1<<fieldTemperature | 1<<fieldTopP |
		1<<fieldTopK | 1<<fieldSeed | 1<<fieldStop | 1<<fieldFrequencyPenalty | 1<<fieldPresencePenalty |
		1<<fieldN | 1<<fieldStream | 1<<fieldOptions
	// The endpoint decides which of messages and prompt a body must have, so both kinds of body may have both.
	conversationFields fieldSet = 1<<fieldModel | 1<<fieldMessages | 1<<fieldPrompt

	chatFields = samplingFields | ignored | conversationFields | 1<<fieldResponseFormat | 1<<fieldTools | 1<<fieldToolChoice |
		1<<fieldParallelToolCalls | 1<<fieldLogprobs | 1<<fieldTopLogprobs | 1<<fieldReasoningEffort | 1<<fieldModalities |
		1<<fieldVerbosity
	completionFields = samplingFields | ignored | conversationFields | 1<<fieldLogprobs | 1<<fieldSuffix | 1<<fieldEcho | 1<<fieldBestOf
	embeddingFields  = ignored | 1<<fieldModel | 1<<fieldInput | 1<<fieldDimensions | 1<<fieldEncodingFormat
	shortFields      = chatFields | 1<<fieldCustomID | 1<<fieldSystem
	batchFields      = fieldSet(1<<fieldCustomID | 1<<fieldMethod | 1<<fieldURL | 1<<fieldBody | 1<<fieldMetadata)
	messageFields    = fieldSet(1<<fieldRole | 1<<fieldContent)
	partFields       = fieldSet(1<<fieldType | 1<<fieldText)

	imagePartFields = fieldSet(1<<fieldType | 1<<fieldImageURL)
	imageFields     = fieldSet(1<<fieldURL | 1<<fieldDetail)

	optionFields fieldSet = 1<<fieldTemperature | 1<<fieldTopP | 1<<fieldTopK | 1<<fieldSeed | 1<<fieldStop |
		1<<fieldFrequencyPenalty | 1<<fieldPresencePenalty | 1<<fieldMinP | 1<<fieldRepeatPenalty | 1<<fieldRepeatLastN |
		1<<fieldNumPredict
)

// String returns the field's name in JSON.
func (f field) String() string { return fieldNames[f] }

// fieldOf returns the field with the quoted name, or fieldCount.
func fieldOf(quoted []byte) field {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(unquote(quoted))
	}
	if f, ok := fieldsByName[string(name)]; ok {
		return f
	}
	return fieldCount
}

// fieldsByName is the inverse of fieldNames.
var fieldsByName = func() map[string]field {
	m := make(map[string]field, fieldCount)
	for f, name := range fieldNames {
		m[name] = field(f)
	}
	return m
}()

// fieldSet is a set of fields, one bit per field.
type fieldSet uint64

func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }
