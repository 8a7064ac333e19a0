package batcher

import (
	"fmt"
	"math"

	"fluxworker/modelcfg"
)

// MetadataError is a key of a model's metadata that is missing or invalid.
type MetadataError struct {
	Key   string
	Value any // nil if the key is missing
}

func (e *MetadataError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("the model's metadata has no %s", e.Key)
	}
	return fmt.Sprintf("the model's metadata has the invalid value %s = %v", e.Key, e.Value)
}

// FromMetadata reads the architecture from model_info of /api/show, which holds the keys of the model's GGUF. Arrays
// may be missing (Ollama before 0.30 blanks long arrays unless the request is verbose). weightsBytes is the size of the
// model's file. projectorBytes is the size of a projector in a separate file, 0 for none. The error is a
// *MetadataError.
//
// Missing values are replaced so that the memory is too large rather than too small. SingleSlot follows from the
// family. A model without the completion capability also gets one slot, but only the capabilities of /api/show tell
// that.
func FromMetadata(info map[string]any, weightsBytes, projectorBytes int64) (modelcfg.Architecture, error) {
	family, _ := info["general.architecture"].(string)
	if family == "" {
		return modelcfg.Architecture{}, &MetadataError{"general.architecture", info["general.architecture"]}
	}
	r := &reader{info: info, family: family}
	a := modelcfg.Architecture{
		Source:            "the model's own metadata",
		Family:            family,
		WeightsBytes:      plus(min(max(weightsBytes, 0), maxBytes), min(max(projectorBytes, 0), maxBytes)),
		ProjectorBytes:    min(max(projectorBytes, 0), maxBytes),
		Layers:            r.required("block_count", maxLayers),
		DraftLayers:       r.optional("nextn_predict_layers", maxLayers),
		EmbeddingLength:   r.required("embedding_length", 1<<20),
		ContextLength:     r.optional("context_length", 1<<24),
		FeedForwardLength: r.largest("feed_forward_length", 1<<20),
		ExpertsUsed:       r.optional("expert_used_count", 4096),
		Vocabulary:        r.vocabulary(),
		Vision:            projectorBytes > 0 || r.has("vision.block_count"),
		SingleSlot:        singleSlotFamily(family) || r.has("pooling_type"),
	}
	if each := r.largest("expert_feed_forward_length", 1<<20); a.ExpertsUsed > 0 && each > 0 {
		// Such models can have dense layers, too, as wide as all experts of a token together.
		a.FeedForwardLength = max(each, (a.FeedForwardLength+a.ExpertsUsed-1)/a.ExpertsUsed)
	}
	// block_count includes the blocks of multi-token prediction (llama.cpp, hparams.n_layer).
	if a.DraftLayers < a.Layers {
		a.Layers -= a.DraftLayers
	} else {
		r.fail("nextn_predict_layers")
	}
	r.attention(&a)
	r.sliding(&a)
	r.state(&a)
	if r.err != nil {
		return modelcfg.Architecture{}, r.err
	}
	return a, nil
}

// maxLayers limits block_count; the deepest models have a few hundred layers.
const maxLayers = 10_000

// reader reads keys of one family and stores the first error.
type reader struct {
	info   map[string]any
	family string
	err    error
}

func (r *reader) key(name string) string { return r.family + "." + name }

// has reports whether the key has a value; blanked arrays are null.
func (r *reader) has(name string) bool { return r.info[r.key(name)] != nil }

func (r *reader) fail(name string) {
	if r.err == nil {
		r.err = &MetadataError{r.key(name), r.info[r.key(name)]}
	}
}

// whole returns a JSON number that is a whole number from 0 to limit.
func whole(v any, limit int) (int, bool) {
	f, ok := v.(float64)
	if i, isInt := v.(int); isInt {
		f, ok = float64(i), true
	}
	if !ok || f != math.Trunc(f) || f < 0 || f > float64(limit) {
		return 0, false
	}
	return int(f), true
}

// optional returns a number, or 0 if the key is missing.
func (r *reader) optional(name string, limit int) int {
	if !r.has(name) {
		return 0
	}
	v, ok := whole(r.info[r.key(name)], limit)
	if !ok {
		r.fail(name)
	}
	return v
}

func (r *reader) required(name string, limit int) int {
	v := r.optional(name, limit)
	if v == 0 {
		r.fail(name)
	}
	return v
}

// list returns a number or an array as a list; nil if the key is missing.
func (r *reader) list(name string, limit int) []int {
	elements, isArray := r.info[r.key(name)].([]any)
	if !isArray {
		if !r.has(name) {
			return nil
		}
		return []int{r.optional(name, limit)}
	}
	values := make([]int, len(elements))
	for i, e := range elements {
		v, ok := whole(e, limit)
		if !ok {
			r.fail(name)
			return nil
		}
		values[i] = v
	}
	return values
}

func (r *reader) largest(name string, limit int) int {
	largest := 0
	for _, v := range r.list(name, limit) {
		largest = max(largest, v)
	}
	return largest
}

// vocabulary returns the length of the token list, or else vocab_size; 0 if both are missing.
func (r *reader) vocabulary() int {
	if tokens, ok := r.info["tokenizer.ggml.tokens"].([]any); ok {
		return len(tokens)
	}
	return r.optional("vocab_size", 1<<24)
}
