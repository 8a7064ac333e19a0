package main

import "github.com/ollama/ollama/fs/ggml"

// wideHead is the size of the two heads of a model whose cache is as large as that of an 8B.
const wideHead = 512

// eightBCache is a model with the cache of an 8B, 128 KiB for each token (32 layers · 1024 keys and values · 2 bytes), and next to
// no weights: what a server does with caches costs memory as with an 8B, and no time.
func eightBCache() *text {
	return &text{
		arch: "llama", tokenizer: byteLevel("llama-bpe"), layers: 32, headsKV: smallHeads,
		metadata: map[string]any{
			"attention.key_length": uint32(wideHead), "attention.value_length": uint32(wideHead), "rope.dimension_count": uint32(wideHead),
		},
		block: func(t *text, l int) []*ggml.Tensor {
			const all = smallHeads * wideHead
			random := noise()
			list := append(norms(l, "attn_norm", "ffn_norm"),
				tensor(weight(l, "attn_q"), random, small, all),
				tensor(weight(l, "attn_k"), random, small, all),
				tensor(weight(l, "attn_v"), random, small, all),
				tensor(weight(l, "attn_output"), zero, all, small))
			return append(list, t.feedForward(l)...)
		},
	}
}
