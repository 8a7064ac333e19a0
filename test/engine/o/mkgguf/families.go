package main

// families are the small models, one for each architecture of the model list; their names are those of their files.
func families() map[string]*text {
	return map[string]*text{
		"tiny-mistral": { // 7B and its offspring
			arch: "llama", tokenizer: sentencePiece(true), layers: 2, headsKV: 1, block: llamaBlock,
		},
		"tiny-nemo": {
			arch: "llama", tokenizer: byteLevel("tekken"), layers: 3, headsKV: 1, block: llamaBlock,
		},
		"tiny-mixtral": {
			arch: "llama", tokenizer: sentencePiece(true), layers: 2, headsKV: 1, experts: 4, block: llamaBlock,
			metadata: map[string]any{"expert_count": uint32(4), "expert_used_count": uint32(2)},
		},
		"tiny-mistral3": {
			arch: "mistral3", tokenizer: byteLevel("tekken"), layers: 2, headsKV: 1, block: llamaBlock,
		},
		"tiny-qwen2": {
			arch: "qwen2", tokenizer: byteLevel("qwen2"), layers: 4, headsKV: 1, block: qwen2Block,
		},
		// As many KV heads as heads, as in mini, and a window that the engines ignore. llama.cpp demands the token.
		"tiny-phi3": {
			arch: "phi3", tokenizer: sentencePiece(true, "<|endoftext|>"), layers: 2, headsKV: smallHeads, block: phi3Block,
			metadata: map[string]any{"attention.sliding_window": uint32(2047)},
		},
		"tiny-gemma3": { // seven layers: the sixth has full attention, the others a window
			arch: "gemma3", tokenizer: sentencePiece(false), layers: 7, headsKV: 1, block: gemma3Block,
			metadata: gemma3Window,
		},
		"tiny-8b-cache": eightBCache(),
		// Both say in the file how a chat is written. The first is known to everybody; a prompt so written ends in a line end.
		// The second is this model's own, and ends in a 7.
		"tiny-chatml": {
			arch: "llama", tokenizer: byteLevel("llama-bpe"), layers: 2, headsKV: 1, block: llamaBlock,
			metadata: map[string]any{"tokenizer.chat_template": chatML},
		},
		"tiny-chat7": {
			arch: "llama", tokenizer: byteLevel("llama-bpe"), layers: 2, headsKV: 1, block: llamaBlock,
			metadata: map[string]any{"tokenizer.chat_template": chatSeven},
		},
		"tiny-tools":         speaking(toolTemplate, toolPhrases()...),
		"tiny-thinking":      speaking(thinkingTemplate, thinkingPhrases()...),
		"tiny-gemma3-vision": gemma3Split(),
		"tiny-gemma3-whole":  gemma3Whole(),
		"tiny-mllama":        mllama(),
	}
}

const (
	chatML = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
		"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
	chatSeven = "{# Long enough to be like no other: this template belongs to a model of which nobody has heard, and whose users want it to go on from seven. #}" +
		"{% for message in messages %}{{ '((' + message['role'] + ')) ' + message['content'] + '\n' }}{% endfor %}{{ 'go on from 7' }}"
)
