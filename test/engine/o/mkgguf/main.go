// Command mkgguf writes the models that the end-to-end tests and the demo run: GGUF files whose greedy answer depends only
// on the last character of the prompt. A test therefore knows the right answer to every prompt, and a reply that went to the
// wrong row shows. One of 6 MB is of the llama architecture and has work to do; smaller ones are of each architecture in the
// model list, and of those that popular models have today.
//
// The rule: a digit is followed by the next digit, 9 by a, a letter by the next letter, z by the end of the answer,
// anything else by 0. The prompt "…3" is answered "456789abcdefghijklmnopqrstuvwxyz". What models that call tools or think say
// beside that is in phrases.go; one that makes vectors alone is in embedder.go.
//
//	usage: mkgguf FOLDER
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/ollama/ollama/fs/ggml"
)

const (
	vocabulary = 288 // 256 bytes, begin, end, and unused tokens up to a multiple of 32
	bos        = 256
	eos        = 257

	width       = 288 // one dimension for each token, so that the embedding can be one-hot
	heads       = 9
	headsKV     = 3
	headSize    = 32
	feedForward = 512
	layers      = 2
	context     = 8192

	// Far above what sampling at any usual temperature can turn over: the normalised one-hot vector has one entry of
	// sqrt(288), so the right token leads by 68 in the logits.
	logit = 4
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mkgguf FOLDER")
		os.Exit(2)
	}
	if err := writeAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mkgguf:", err)
		os.Exit(1)
	}
}

func writeAll(dir string) error {
	if err := write(filepath.Join(dir, "bigram.gguf"), metadata(), tensors()); err != nil {
		return err
	}
	all := families()
	maps.Copy(all, todaysFamilies())
	for name, t := range all {
		if err := write(filepath.Join(dir, name+".gguf"), t.kv(), t.tensors()); err != nil {
			return err
		}
	}
	for _, arch := range []string{"bert", "nomic-bert"} {
		if err := write(filepath.Join(dir, "tiny-"+arch+".gguf"), embedderMetadata(arch), embedderTensors(arch)); err != nil {
			return err
		}
	}
	kv, list := gemma3Projector()
	return write(filepath.Join(dir, "tiny-gemma3-vision.mmproj.gguf"), kv, list)
}

// write leaves either the whole model at path or nothing: a torn one would be imported and fail much later.
func write(path string, metadata ggml.KV, tensors []*ggml.Tensor) error {
	partial := path + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return err
	}
	if err := ggml.WriteGGUF(f, metadata, tensors); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", partial, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

// following is the model's rule: the token after t.
func following(t int) int {
	switch {
	case t >= '0' && t < '9', t >= 'a' && t < 'z':
		return t + 1
	case t == '9':
		return 'a'
	case t == 'z':
		return eos
	default:
		return '0'
	}
}

func metadata() ggml.KV {
	tokens, kinds := tokens()
	return ggml.KV{
		"general.architecture":                   "llama",
		"general.name":                           "bigram",
		"general.file_type":                      uint32(0), // all F32
		"llama.block_count":                      uint32(layers),
		"llama.context_length":                   uint32(context),
		"llama.embedding_length":                 uint32(width),
		"llama.feed_forward_length":              uint32(feedForward),
		"llama.attention.head_count":             uint32(heads),
		"llama.attention.head_count_kv":          uint32(headsKV),
		"llama.attention.key_length":             uint32(headSize),
		"llama.attention.value_length":           uint32(headSize),
		"llama.attention.layer_norm_rms_epsilon": float32(1e-5),
		"llama.rope.dimension_count":             uint32(headSize),
		"llama.vocab_size":                       uint32(vocabulary),
		"tokenizer.ggml.model":                   "gpt2",
		"tokenizer.ggml.pre":                     "llama-bpe",
		"tokenizer.ggml.tokens":                  tokens,
		"tokenizer.ggml.token_type":              kinds,
		"tokenizer.ggml.merges":                  []string{"a b"}, // an empty list is refused; this one never applies
		"tokenizer.ggml.bos_token_id":            uint32(bos),
		"tokenizer.ggml.eos_token_id":            uint32(eos),
		"tokenizer.ggml.add_bos_token":           true,
		"tokenizer.ggml.add_eos_token":           false,
	}
}

// tokens spells the 256 bytes as the GPT-2 tokenizer does: printable Latin-1 stands for itself, the others are moved to
// the runes from 256 on, in order.
func tokens() (spelled []string, kinds []int32) {
	const normal, control = 1, 3
	moved := rune(256)
	for b := range rune(256) {
		r := b
		if printable := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !printable {
			r = moved
			moved++
		}
		spelled, kinds = append(spelled, string(r)), append(kinds, normal)
	}
	spelled, kinds = append(spelled, "<bos>", "<eos>"), append(kinds, control, control)
	for i := len(spelled); i < vocabulary; i++ {
		spelled, kinds = append(spelled, fmt.Sprintf("<unused%d>", i)), append(kinds, control)
	}
	return spelled, kinds
}

// tensors is a transformer whose blocks change nothing: attention and feed-forward are computed with small random
// weights, at their usual cost, and multiplied by zero on the way out. What is left is embedding times output, the rule.
func tensors() []*ggml.Tensor {
	random := noise()
	identity := func(i int) float32 {
		if i%width == i/width {
			return 1
		}
		return 0
	}
	rule := func(i int) float32 {
		if from, to := i%width, i/width; from < 256 && following(from) == to {
			return logit
		}
		return 0
	}
	list := []*ggml.Tensor{
		tensor("token_embd.weight", identity, width, vocabulary),
		tensor("output_norm.weight", one, width),
		tensor("output.weight", rule, width, vocabulary),
	}
	for l := range layers {
		block := func(name string) string { return fmt.Sprintf("blk.%d.%s.weight", l, name) }
		list = append(list,
			tensor(block("attn_norm"), one, width),
			tensor(block("ffn_norm"), one, width),
			tensor(block("attn_q"), random, width, heads*headSize),
			tensor(block("attn_k"), random, width, headsKV*headSize),
			tensor(block("attn_v"), random, width, headsKV*headSize),
			tensor(block("attn_output"), zero, heads*headSize, width),
			tensor(block("ffn_gate"), random, width, feedForward),
			tensor(block("ffn_up"), random, width, feedForward),
			tensor(block("ffn_down"), zero, feedForward, width),
		)
	}
	return list
}
