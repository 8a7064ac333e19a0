package batcher

import (
	"fmt"
	"math"

	"fluxworker/modelcfg"
)

// MetadataError is a key of a model's metadata that is missing or makes no sense.
type MetadataError struct {
	Key   string
	Value any // nil where the key is missing
}

func (e *MetadataError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("the model's metadata has no %s", e.Key)
	}
	return fmt.Sprintf("the model's metadata has %s = %v, which cannot be used", e.Key, e.Value)
}

// FromMetadata reads the architecture from model_info of /api/show, which holds the keys of the model's GGUF. Arrays may be
// missing (Ollama before 0.30 blanks long ones unless asked to be verbose). weightsBytes is the size of the model's file and
// projectorBytes that of a projector in a file of its own, 0 for none. The error is a *MetadataError.
//
// What the metadata does not say is taken so that memory comes out too large rather than too small. SingleSlot follows from
// the family; that a model lacks the completion capability, which also forces one slot, only /api/show's capabilities say.
func FromMetadata(info map[string]any, weightsBytes, projectorBytes int64) (modelcfg.Architecture, error) {
	family, _ := info["general.architecture"].(string)
	if family == "" {
		return modelcfg.Architecture{}, &MetadataError{"general.architecture", info["general.architecture"]}
	}
	r := &reader{info: info, family: family}
	a := modelcfg.Architecture{
		Source:            "the model's own metadata",
		Family:            family,
		WeightsBytes:      plus(min(max(weightsBytes, 0), tooMuch), min(max(projectorBytes, 0), tooMuch)),
		ProjectorBytes:    min(max(projectorBytes, 0), tooMuch),
		Layers:            r.required("block_count", maxLayers),
		EmbeddingLength:   r.required("embedding_length", 1<<20),
		ContextLength:     r.optional("context_length", 1<<24),
		FeedForwardLength: r.largest("feed_forward_length", 1<<20),
		ExpertsUsed:       r.optional("expert_used_count", 4096),
		Vocabulary:        r.vocabulary(),
		Vision:            projectorBytes > 0 || r.has("vision.block_count"),
		SingleSlot:        SingleSlotFamily(family) || r.has("pooling_type"),
	}
	if each := r.largest("expert_feed_forward_length", 1<<20); a.ExpertsUsed > 0 && each > 0 {
		// Such models can have dense layers too, as wide as all experts of a token together.
		a.FeedForwardLength = max(each, (a.FeedForwardLength+a.ExpertsUsed-1)/a.ExpertsUsed)
	}
	r.attention(&a)
	r.sliding(&a)
	a.StateBytes = r.state(a)
	if r.err != nil {
		return modelcfg.Architecture{}, r.err
	}
	return a, nil
}

// maxLayers bounds block_count; the deepest models have a few hundred.
const maxLayers = 10_000

// reader reads keys of one family and remembers the first that is unusable.
type reader struct {
	info   map[string]any
	family string
	err    error
}

func (r *reader) key(name string) string { return r.family + "." + name }

// has says whether the key is there with a value; arrays that were blanked are null.
func (r *reader) has(name string) bool { return r.info[r.key(name)] != nil }

func (r *reader) fail(name string) {
	if r.err == nil {
		r.err = &MetadataError{r.key(name), r.info[r.key(name)]}
	}
}

// whole reads a JSON number that is a whole one between 0 and most.
func whole(v any, most int) (int, bool) {
	f, ok := v.(float64)
	if i, isInt := v.(int); isInt {
		f, ok = float64(i), true
	}
	if !ok || f != math.Trunc(f) || f < 0 || f > float64(most) {
		return 0, false
	}
	return int(f), true
}

// optional reads a number; 0 where there is none.
func (r *reader) optional(name string, most int) int {
	if !r.has(name) {
		return 0
	}
	v, ok := whole(r.info[r.key(name)], most)
	if !ok {
		r.fail(name)
	}
	return v
}

func (r *reader) required(name string, most int) int {
	v := r.optional(name, most)
	if v == 0 {
		r.fail(name)
	}
	return v
}

// list reads a number or an array of them; nil where there is none.
func (r *reader) list(name string, most int) []int {
	elements, isArray := r.info[r.key(name)].([]any)
	if !isArray {
		if !r.has(name) {
			return nil
		}
		return []int{r.optional(name, most)}
	}
	values := make([]int, len(elements))
	for i, e := range elements {
		v, ok := whole(e, most)
		if !ok {
			r.fail(name)
			return nil
		}
		values[i] = v
	}
	return values
}

func (r *reader) largest(name string, most int) int {
	largest := 0
	for _, v := range r.list(name, most) {
		largest = max(largest, v)
	}
	return largest
}

// vocabulary is the length of the token list, else vocab_size; 0 where neither is there.
func (r *reader) vocabulary() int {
	if tokens, ok := r.info["tokenizer.ggml.tokens"].([]any); ok {
		return len(tokens)
	}
	return r.optional("vocab_size", 1<<24)
}
