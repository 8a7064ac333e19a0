package batcher

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"fluxworker/modelcfg"
)

func metadata(t *testing.T, text string) map[string]any {
	t.Helper()
	var info map[string]any
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		t.Fatal(err)
	}
	return info
}

// windowLayers writes w for each layer with a window, and a dot for each with full attention.
func windowLayers(a modelcfg.Architecture) string {
	var b strings.Builder
	for l := range a.KVHeads {
		if slidingLayer(a, l) {
			b.WriteByte('w')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func TestFromMetadata(t *testing.T) {
	tests := []struct {
		name string
		info string
		want func(a modelcfg.Architecture) bool
	}{
		{"Llama 3.1 8B, token list blanked", `{"general.architecture": "llama", "llama.block_count": 32, "llama.embedding_length": 4096,
			"llama.attention.head_count": 32, "llama.attention.head_count_kv": 8, "llama.context_length": 131072,
			"llama.feed_forward_length": 14336, "llama.vocab_size": 128256, "tokenizer.ggml.tokens": null}`,
			func(a modelcfg.Architecture) bool {
				return kvBytesPerToken(a, "f16") == 128<<10 && a.Heads == 32 && a.KeyLength == 128 && a.ContextLength == 131072 &&
					a.FeedForwardLength == 14336 && a.Vocabulary == 128256 && !a.SingleSlot && !a.Vision && known(a)
			}},
		{"lengths of heads and tokens given", `{"general.architecture": "qwen3", "qwen3.block_count": 2, "qwen3.embedding_length": 1024,
			"qwen3.attention.head_count": 16, "qwen3.attention.head_count_kv": 8, "qwen3.attention.key_length": 128,
			"qwen3.attention.value_length": 64, "tokenizer.ggml.tokens": ["a", "b", "c"]}`,
			func(a modelcfg.Architecture) bool {
				return kvBytesPerToken(a, "f16") == 2*8*192*2 && a.Vocabulary == 3
			}},
		{"no KV heads said: as many as heads", `{"general.architecture": "gpt2", "gpt2.block_count": 2, "gpt2.embedding_length": 768,
			"gpt2.attention.head_count": 12}`,
			func(a modelcfg.Architecture) bool { return slices.Equal(a.KVHeads, []int{12, 12}) && a.KeyLength == 64 }},
		{"an embedder without a cache", `{"general.architecture": "nomic-bert", "nomic-bert.block_count": 2, "nomic-bert.embedding_length": 768,
			"nomic-bert.attention.head_count": 12}`,
			func(a modelcfg.Architecture) bool {
				return slices.Equal(a.KVHeads, []int{0, 0}) && kvBytesPerToken(a, "f16") == 0
			}},
		{"heads of each layer", `{"general.architecture": "openelm", "openelm.block_count": 3, "openelm.embedding_length": 64,
			"openelm.attention.head_count": [4, 8, 8], "openelm.attention.head_count_kv": [1, 2, 2], "openelm.feed_forward_length": [10, 30, 20]}`,
			func(a modelcfg.Architecture) bool {
				return slices.Equal(a.KVHeads, []int{1, 2, 2}) && a.Heads == 8 && a.FeedForwardLength == 30
			}},
		{"heads of each layer, blanked", `{"general.architecture": "granitehybrid", "granitehybrid.block_count": 3, "granitehybrid.embedding_length": 64,
			"granitehybrid.attention.head_count": 4, "granitehybrid.attention.head_count_kv": null}`,
			func(a modelcfg.Architecture) bool { return slices.Equal(a.KVHeads, []int{4, 4, 4}) }},
		{"all heads blanked", `{"general.architecture": "nemotron_h", "nemotron_h.block_count": 2, "nemotron_h.embedding_length": 4096,
			"nemotron_h.attention.head_count": null, "nemotron_h.attention.head_count_kv": null, "nemotron_h.attention.key_length": 128}`,
			func(a modelcfg.Architecture) bool { return slices.Equal(a.KVHeads, []int{32, 32}) }},
		{"Gemma 3: every sixth layer is full", `{"general.architecture": "gemma3", "gemma3.block_count": 34, "gemma3.embedding_length": 2560,
			"gemma3.attention.head_count": 8, "gemma3.attention.head_count_kv": 4, "gemma3.attention.key_length": 256,
			"gemma3.attention.value_length": 256, "gemma3.attention.sliding_window": 1024, "gemma3.vision.block_count": 27}`,
			func(a modelcfg.Architecture) bool {
				return a.SlidingWindow == 1024 && a.SlidingWindowPattern == 6 && kvBytesPerToken(a, "f16") == 5*4*512*2 && a.Vision
			}},
		{"a pattern of its own", `{"general.architecture": "gpt-oss", "gpt-oss.block_count": 6, "gpt-oss.embedding_length": 64,
			"gpt-oss.attention.head_count": 1, "gpt-oss.attention.sliding_window": 128,
			"gpt-oss.attention.sliding_window_pattern": [true, true, false, true, true, false]}`,
			func(a modelcfg.Architecture) bool {
				return kvBytesPerToken(a, "f16") == 2*2*64*2 && windowLayers(a) == "ww.ww."
			}},
		{"an irregular pattern", `{"general.architecture": "gpt-oss", "gpt-oss.block_count": 3, "gpt-oss.embedding_length": 64,
			"gpt-oss.attention.head_count": 1, "gpt-oss.attention.sliding_window": 128, "gpt-oss.attention.sliding_window_pattern": [false, true, true]}`,
			func(a modelcfg.Architecture) bool { return windowLayers(a) == ".ww" }},
		{"a pattern of another type counts as full attention", `{"general.architecture": "gpt-oss", "gpt-oss.block_count": 3, "gpt-oss.embedding_length": 64,
			"gpt-oss.attention.head_count": 1, "gpt-oss.attention.sliding_window": 128, "gpt-oss.attention.sliding_window_pattern": [true, 1, true]}`,
			func(a modelcfg.Architecture) bool { return windowLayers(a) == "..." }},
		// 8 full layers x 1 head x 512 and 40 window layers x 8 x 256, in the proportion of two patterns.
		{"Gemma 4 12B", `{"general.architecture": "gemma4", "gemma4.block_count": 12, "gemma4.embedding_length": 3840,
			"gemma4.attention.head_count": 16, "gemma4.attention.head_count_kv": [8, 8, 8, 8, 8, 1, 8, 8, 8, 8, 8, 1],
			"gemma4.attention.key_length": 512, "gemma4.attention.value_length": 512, "gemma4.attention.key_length_swa": 256,
			"gemma4.attention.value_length_swa": 256, "gemma4.attention.sliding_window": 1024,
			"gemma4.attention.sliding_window_pattern": [true, true, true, true, true, false, true, true, true, true, true, false]}`,
			func(a modelcfg.Architecture) bool {
				full, window, _ := elementsPerCell(a)
				return full == 2*1024 && window == 10*8*512 && windowLayers(a) == "wwwww.wwwww."
			}},
		{"Gemma 4 shares the cache on its last layers", `{"general.architecture": "gemma4", "gemma4.block_count": 5, "gemma4.embedding_length": 64,
			"gemma4.attention.head_count": 8, "gemma4.attention.head_count_kv": 1, "gemma4.attention.shared_kv_layers": 3}`,
			func(a modelcfg.Architecture) bool { return slices.Equal(a.KVHeads, []int{1, 1, 0, 0, 0}) }},
		{"Gemma 3n shares the cache from layer 20", `{"general.architecture": "gemma3n", "gemma3n.block_count": 22, "gemma3n.embedding_length": 64,
			"gemma3n.attention.head_count": 8, "gemma3n.attention.head_count_kv": 2}`,
			func(a modelcfg.Architecture) bool { return slices.Equal(a.KVHeads, append(repeat(2, 20), 0, 0)) }},
		{"Command A MoE: the first of four layers is full", `{"general.architecture": "cohere2moe", "cohere2moe.block_count": 8,
			"cohere2moe.embedding_length": 64, "cohere2moe.attention.head_count": 8, "cohere2moe.attention.sliding_window": 4096}`,
			func(a modelcfg.Architecture) bool { return windowLayers(a) == ".www.www" }},
		{"Laguna, with a pattern as a number", `{"general.architecture": "laguna", "laguna.block_count": 6, "laguna.embedding_length": 64,
			"laguna.attention.head_count": 8, "laguna.attention.sliding_window": 512, "laguna.attention.sliding_window_pattern": 3}`,
			func(a modelcfg.Architecture) bool { return windowLayers(a) == ".ww.ww" && a.SlidingWindow == 512 }},
		{"SmallThinker has a window of its own", `{"general.architecture": "smallthinker", "smallthinker.block_count": 4,
			"smallthinker.embedding_length": 64, "smallthinker.attention.head_count": 8, "smallthinker.attention.sliding_window": 3}`,
			func(a modelcfg.Architecture) bool { return windowLayers(a) == ".www" && a.SlidingWindow == 4096 }},
		{"EXAONE 4 1.2B has no window", `{"general.architecture": "exaone4", "exaone4.block_count": 30, "exaone4.embedding_length": 64,
			"exaone4.attention.head_count": 8, "exaone4.attention.sliding_window": 4096}`,
			func(a modelcfg.Architecture) bool { return a.SlidingWindow == 0 }},
		{"a window that the engine ignores", `{"general.architecture": "phi3", "phi3.block_count": 32, "phi3.embedding_length": 3072,
			"phi3.attention.head_count": 32, "phi3.attention.head_count_kv": 32, "phi3.attention.sliding_window": 2047}`,
			func(a modelcfg.Architecture) bool {
				return a.SlidingWindow == 0 && kvBytesPerToken(a, "f16") == 384<<10
			}},
		{"latent attention", `{"general.architecture": "deepseek2", "deepseek2.block_count": 61, "deepseek2.embedding_length": 7168,
			"deepseek2.attention.head_count": 128, "deepseek2.attention.head_count_kv": 1, "deepseek2.attention.key_length": 576,
			"deepseek2.attention.value_length": 512, "deepseek2.attention.key_length_mla": 192, "deepseek2.attention.kv_lora_rank": 512,
			"deepseek2.rope.dimension_count": 64, "deepseek2.expert_used_count": 8, "deepseek2.expert_feed_forward_length": 2048,
			"deepseek2.feed_forward_length": 18432}`,
			func(a modelcfg.Architecture) bool {
				return a.LatentLength == 576 && kvBytesPerToken(a, "f16") == 61*576*2 && a.ExpertsUsed == 8 && a.FeedForwardLength == 2304
			}},
		{"latent attention in a file that is run without it", `{"general.architecture": "deepseek2", "deepseek2.block_count": 61,
			"deepseek2.embedding_length": 7168, "deepseek2.attention.head_count": 128, "deepseek2.attention.head_count_kv": 128,
			"deepseek2.attention.key_length": 192, "deepseek2.attention.value_length": 128, "deepseek2.attention.kv_lora_rank": 512}`,
			func(a modelcfg.Architecture) bool {
				return a.LatentLength == 0 && kvBytesPerToken(a, "f16") == 61*128*320*2
			}},
		// A log of this model: RS buffer of 2 cells 299.25 MiB.
		{"recurrent layers of Qwen3.5 27B", `{"general.architecture": "qwen35", "qwen35.block_count": 64, "qwen35.embedding_length": 5120,
			"qwen35.attention.head_count": 24, "qwen35.attention.head_count_kv": 4, "qwen35.attention.key_length": 256,
			"qwen35.attention.value_length": 256, "qwen35.ssm.conv_kernel": 4, "qwen35.ssm.inner_size": 6144, "qwen35.ssm.group_count": 16,
			"qwen35.ssm.state_size": 128, "qwen35.full_attention_interval": 4}`,
			func(a modelcfg.Architecture) bool {
				return a.SingleSlot && 2*a.StateBytes == 299*mib+mib/4 && kvBytesPerToken(a, "f16") == 16*4*512*2
			}},
		{"recurrent layers that are listed, and a block that drafts", `{"general.architecture": "qwen35moe", "qwen35moe.block_count": 5,
			"qwen35moe.embedding_length": 64, "qwen35moe.attention.head_count": 8, "qwen35moe.attention.head_count_kv": 2,
			"qwen35moe.nextn_predict_layers": 1, "qwen35moe.ssm.conv_kernel": 4, "qwen35moe.ssm.inner_size": 8,
			"qwen35moe.attention.recurrent_layers": [true, false, true, true, false]}`,
			func(a modelcfg.Architecture) bool {
				return slices.Equal(a.KVHeads, []int{0, 2, 0, 0}) && a.DraftLayers == 1 && a.StateBytes == 3*3*8*4
			}},
		{"layers of Nemotron-H with a feed-forward network only", `{"general.architecture": "nemotron_h", "nemotron_h.block_count": 3,
			"nemotron_h.embedding_length": 64, "nemotron_h.attention.head_count": 8, "nemotron_h.attention.head_count_kv": [0, 2, 0],
			"nemotron_h.feed_forward_length": [0, 0, 128], "nemotron_h.ssm.conv_kernel": 4, "nemotron_h.ssm.inner_size": 8}`,
			func(a modelcfg.Architecture) bool { return a.StateBytes == 3*8*4 }},
		{"shortcut convolutions", `{"general.architecture": "lfm2", "lfm2.block_count": 3, "lfm2.embedding_length": 1024,
			"lfm2.attention.head_count": 16, "lfm2.attention.head_count_kv": [0, 0, 8], "lfm2.shortconv.l_cache": 3}`,
			func(a modelcfg.Architecture) bool { return a.StateBytes == 2*2*1024*4 && a.SingleSlot }},
		{"Llama 3.2 Vision", `{"general.architecture": "mllama", "mllama.block_count": 40, "mllama.embedding_length": 4096,
			"mllama.attention.head_count": 32, "mllama.attention.head_count_kv": 8, "mllama.attention.cross_attention_layers": null}`,
			func(a modelcfg.Architecture) bool { return a.StateBytes == 419_692_544 && a.SingleSlot }},
		{"an embedder", `{"general.architecture": "qwen3", "qwen3.block_count": 2, "qwen3.embedding_length": 64,
			"qwen3.attention.head_count": 1, "qwen3.pooling_type": 3}`,
			func(a modelcfg.Architecture) bool { return a.SingleSlot }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := FromMetadata(metadata(t, tt.info), 5_000_000_000, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(a) || a.WeightsBytes != 5_000_000_000 || len(a.KVHeads) != a.Layers {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestFromMetadataProjector(t *testing.T) {
	info := metadata(t, `{"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 64, "llama.attention.head_count": 1}`)
	a, err := FromMetadata(info, 4000, 600)
	if err != nil || a.WeightsBytes != 4600 || a.ProjectorBytes != 600 || !a.Vision {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestFromMetadataRefuses(t *testing.T) {
	for text, key := range map[string]string{
		`{}`:                                "general.architecture",
		`{"general.architecture": 3}`:       "general.architecture",
		`{"general.architecture": "llama"}`: "llama.block_count",
		`{"general.architecture": "llama", "llama.block_count": 1.5}`:                                                       "llama.block_count",
		`{"general.architecture": "llama", "llama.block_count": -1}`:                                                        "llama.block_count",
		`{"general.architecture": "llama", "llama.block_count": 1e9}`:                                                       "llama.block_count",
		`{"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": "x"}`:                          "llama.embedding_length",
		`{"general.architecture": "m", "m.block_count": 2, "m.embedding_length": 2, "m.nextn_predict_layers": 2}`:           "m.nextn_predict_layers",
		`{"general.architecture": "m", "m.block_count": 2, "m.embedding_length": 2, "m.attention.head_count_kv": [1]}`:      "",
		`{"general.architecture": "m", "m.block_count": 3, "m.embedding_length": 2, "m.attention.head_count_kv": [1, 2]}`:   "m.attention.head_count_kv",
		`{"general.architecture": "m", "m.block_count": 2, "m.embedding_length": 2, "m.attention.head_count_kv": ["a", 1]}`: "m.attention.head_count_kv",
	} {
		_, err := FromMetadata(metadata(t, text), 1, 0)
		var invalid *MetadataError
		if key == "" && err == nil {
			continue
		}
		if !errors.As(err, &invalid) || invalid.Key != key || err.Error() == "" {
			t.Errorf("%s: %v, want a MetadataError of %s", text, err, key)
		}
	}
}

func TestSingleSlotFamily(t *testing.T) {
	for family, want := range map[string]bool{
		"mllama": true, "qwen3vl": true, "qwen3vlmoe": true, "qwen35": true, "qwen35moe": true, "qwen3next": true, "lfm2": true,
		"lfm2moe": true, "nemotron_h": true, "nemotron_h_moe": true, "bert": true, "nomic-bert-moe": true,
		"llama": false, "gemma3": false, "qwen3": false, "qwen2": false, "": false,
	} {
		if got := singleSlotFamily(family); got != want {
			t.Errorf("%q: %v", family, got)
		}
	}
}

// FuzzFromMetadata checks that no metadata causes a panic, and that accepted metadata allows a plan.
func FuzzFromMetadata(f *testing.F) {
	f.Add([]byte(`{"general.architecture": "m", "m.block_count": 3, "m.embedding_length": 2, "m.attention.head_count_kv": [1, 2, 0],
		"m.ssm.conv_kernel": 4, "m.ssm.inner_size": 8}`))
	f.Add([]byte(`{"general.architecture": "gemma3", "gemma3.block_count": 6, "gemma3.embedding_length": 2, "gemma3.attention.sliding_window": 3,
		"gemma3.attention.sliding_window_pattern": [true, false]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var info map[string]any
		if json.Unmarshal(data, &info) != nil {
			return
		}
		a, err := FromMetadata(info, 1<<30, 0)
		if err != nil {
			return
		}
		for _, term := range architectureTerms(a, serverSpec{slots: 3, context: 5000, cache: "q8_0", ubatch: 512, runner: OllamaEngine, group: 2}) {
			if term.Bytes < 0 {
				t.Errorf("%+v", term)
			}
		}
	})
}
