package synthetic

import "fmt"

// Kinds of tokens (tokenizer.ggml.token_type).
const (
	tokenNormal  = 1
	tokenUnknown = 2
	tokenControl = 3
	tokenByte    = 6
)

// fileTypeQ4_0 is general.file_type of a file whose matrices are mostly Q4_0 (llama.h, LLAMA_FTYPE_MOSTLY_Q4_0).
const fileTypeQ4_0 = 2

func (s Shape) metadata() []entry {
	own := func(key string) string { return s.Arch + "." + key }
	list := []entry{
		{"general.architecture", s.Arch},
		{"general.name", "synthetic " + s.Name},
		{"general.file_type", uint32(fileTypeQ4_0)},
		{own("block_count"), uint32(s.Layers)},
		{own("context_length"), uint32(s.Context)},
		{own("embedding_length"), uint32(s.Width)},
		{own("feed_forward_length"), uint32(s.Inner)},
		{own("attention.head_count"), uint32(s.Heads)},
		{own("attention.key_length"), uint32(s.HeadSize)},
		{own("attention.value_length"), uint32(s.HeadSize)},
		{own("attention.layer_norm_rms_epsilon"), float32(1e-5)},
		{own("rope.dimension_count"), uint32(s.HeadSize)},
		{own("vocab_size"), uint32(s.Vocabulary)},
	}
	if s.Window > 0 {
		list = append(list, entry{own("attention.sliding_window"), uint32(s.Window)})
	}
	if s.Attention == nil {
		list = append(list, entry{own("attention.head_count_kv"), uint32(s.KVHeads)})
	} else {
		list = append(list, entry{own("attention.head_count_kv"), s.kvHeads()},
			entry{own("ssm.conv_kernel"), uint32(s.State.Kernel)},
			entry{own("ssm.inner_size"), uint32(s.State.Inner)},
			entry{own("ssm.state_size"), uint32(s.State.Size)},
			entry{own("ssm.time_step_rank"), uint32(s.State.Heads)},
			entry{own("ssm.group_count"), uint32(s.State.Groups)},
			entry{own("rope.scaling.finetuned"), false})
	}
	if s.Arch == "gemma3" {
		return append(list, s.sentencePiece()...)
	}
	return append(list, s.byteLevel()...)
}

// kvHeads returns the KV heads of each layer; 0 says that the layer is recurrent (llama-model.cpp, LLM_ARCH_GRANITE_HYBRID).
func (s Shape) kvHeads() []uint32 {
	heads := make([]uint32, s.Layers)
	for l := range heads {
		if s.attends(l) {
			heads[l] = uint32(s.KVHeads)
		}
	}
	return heads
}

// byteLevel returns a tokenizer of GPT-2's kind: 256 bytes, begin and end, and words that no prompt is split into, because no
// merge leads to them. A prompt therefore has one token for each byte.
func (s Shape) byteLevel() []entry {
	texts, kinds := make([]string, 0, s.Vocabulary), make([]int32, 0, s.Vocabulary)
	moved := rune(256) // GPT-2 spells bytes that cannot be printed as the letters from 256 on, in order
	for b := range rune(256) {
		letter := b
		if printable := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !printable {
			letter = moved
			moved++
		}
		texts, kinds = append(texts, string(letter)), append(kinds, tokenNormal)
	}
	begin := uint32(len(texts))
	texts, kinds = append(texts, "<begin>", "<end>"), append(kinds, tokenControl, tokenControl)
	for len(texts) < s.Vocabulary {
		texts, kinds = append(texts, fmt.Sprintf("w%d", len(texts))), append(kinds, tokenNormal)
	}
	return []entry{
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.pre", "llama-bpe"},
		{"tokenizer.ggml.tokens", texts},
		{"tokenizer.ggml.token_type", kinds},
		{"tokenizer.ggml.merges", []string{"a b"}}, // the engines refuse an empty list; no token is called "ab"
		{"tokenizer.ggml.bos_token_id", begin},
		{"tokenizer.ggml.eos_token_id", begin + 1},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.ggml.add_eos_token", false},
	}
}

// sentencePiece returns a tokenizer of Gemma's kind: printable ASCII, bytes, and words that no prompt is split into, because
// their first letter is no token.
func (s Shape) sentencePiece() []entry {
	texts, scores, kinds := make([]string, 0, s.Vocabulary), make([]float32, 0, s.Vocabulary), make([]int32, 0, s.Vocabulary)
	add := func(text string, kind int32) {
		texts, scores, kinds = append(texts, text), append(scores, -float32(len(scores))), append(kinds, kind)
	}
	add("<unk>", tokenUnknown)
	add("<begin>", tokenControl)
	add("<end>", tokenControl)
	add("▁", tokenNormal)
	for c := '!'; c <= '~'; c++ {
		add(string(c), tokenNormal)
	}
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), tokenByte)
	}
	for len(texts) < s.Vocabulary {
		add(fmt.Sprintf("‹%d", len(texts)), tokenNormal)
	}
	return []entry{
		{"tokenizer.ggml.model", "llama"},
		{"tokenizer.ggml.pre", "default"},
		{"tokenizer.ggml.tokens", texts},
		{"tokenizer.ggml.scores", scores},
		{"tokenizer.ggml.token_type", kinds},
		{"tokenizer.ggml.bos_token_id", uint32(1)},
		{"tokenizer.ggml.eos_token_id", uint32(2)},
		{"tokenizer.ggml.unknown_token_id", uint32(0)},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.ggml.add_eos_token", false},
		{"tokenizer.ggml.add_space_prefix", false},
	}
}
