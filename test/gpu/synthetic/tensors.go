package synthetic

import "fmt"

// embedding is the name of the token embedding.
const embedding = "token_embd.weight"

// tensors returns the tensors of the model by llama.cpp's names and shapes (v0.24.0 llama/llama.cpp/src/llama-model.cpp,
// load_tensors).
func (s Shape) tensors() []tensor {
	list := []tensor{matrix(embedding, s.Width, s.Vocabulary), vector("output_norm.weight", 1, s.Width)}
	if !s.Tied {
		list = append(list, matrix("output.weight", s.Width, s.Vocabulary))
	}
	for l := range s.Layers {
		list = append(list, s.block(l)...)
	}
	return list
}

func (s Shape) block(l int) []tensor {
	name := func(part string) string { return fmt.Sprintf("blk.%d.%s", l, part) }
	list := []tensor{vector(name("attn_norm.weight"), 1, s.Width), vector(name("ffn_norm.weight"), 1, s.Width)}
	if s.attends(l) {
		list = append(list,
			matrix(name("attn_q.weight"), s.Width, s.Heads*s.HeadSize),
			matrix(name("attn_k.weight"), s.Width, s.KVHeads*s.HeadSize),
			matrix(name("attn_v.weight"), s.Width, s.KVHeads*s.HeadSize),
			matrix(name("attn_output.weight"), s.Heads*s.HeadSize, s.Width),
		)
	} else {
		list = append(list, s.State.tensors(name, s.Width)...)
	}
	if s.Arch == "gemma3" {
		list = append(list,
			vector(name("attn_q_norm.weight"), 1, s.HeadSize), vector(name("attn_k_norm.weight"), 1, s.HeadSize),
			vector(name("post_attention_norm.weight"), 1, s.Width), vector(name("post_ffw_norm.weight"), 1, s.Width),
		)
	}
	return append(list,
		matrix(name("ffn_gate.weight"), s.Width, s.Inner),
		matrix(name("ffn_up.weight"), s.Width, s.Inner),
		matrix(name("ffn_down.weight"), s.Inner, s.Width),
	)
}

// tensors returns those of a Mamba 2 layer (llama-model.cpp, LLM_ARCH_GRANITE_HYBRID). The matrices are random, and the vectors
// let the state fade: ssm_a is negative.
func (m State) tensors(name func(string) string, width int) []tensor {
	convolved := m.Inner + 2*m.Groups*m.Size
	return []tensor{
		matrix(name("ssm_in.weight"), width, 2*m.Inner+2*m.Groups*m.Size+m.Heads),
		vector(name("ssm_conv1d.weight"), 0.25, m.Kernel, convolved),
		vector(name("ssm_conv1d.bias"), 0, convolved),
		vector(name("ssm_dt.bias"), 0, m.Heads),
		vector(name("ssm_a"), -1, 1, m.Heads),
		vector(name("ssm_d"), 1, 1, m.Heads),
		vector(name("ssm_norm.weight"), 1, m.Inner/m.Groups, m.Groups),
		matrix(name("ssm_out.weight"), m.Inner, width),
	}
}
