package main

import "strings"

// A model that calls tools or thinks says some texts that the rule does not make. Each is a phrase: a chain of tokens that
// no other text has, of which the last decides, as everywhere, what comes next.

// phrase is the text that a model writes behind a character.
type phrase struct {
	after  rune     // that nothing else but the prompt brings
	pieces []string // a token each; one may end several phrases that go on alike, and is never in the middle of one
	then   rune     // by which the rule goes on; 0 ends the answer
}

// tags are the pieces that are one token in a prompt, too. Models have such tokens for what they are to keep apart.
var tags = []string{"<tool_call>", "</tool_call>", "<think>", "</think>"}

// speaking is a small model with phrases, whose file has a template.
func speaking(template string, phrases ...phrase) *text {
	seen := make(map[string]bool)
	var pieces []string
	for _, p := range phrases {
		for _, piece := range p.pieces {
			if !seen[piece] {
				seen[piece] = true
				pieces = append(pieces, piece)
			}
		}
	}
	// Another splitting than llama 3's: that one takes a word of the prompt for the token of the same text.
	return &text{
		arch: "llama", tokenizer: byteLevel("qwen2", pieces...), layers: 2, headsKV: 1, block: llamaBlock, phrases: phrases,
		metadata: map[string]any{"tokenizer.chat_template": template},
	}
}

// chain gives each token of the phrases, and those of the characters before them, a dimension of its own, and tells which
// token comes next there.
func (t *text) chain() (dimensions, next map[int]int) {
	dimensions, next = make(map[int]int), make(map[int]int)
	own := func(token int) int {
		if _, ok := dimensions[token]; !ok {
			dimensions[token] = otherKind + 1 + len(dimensions)
		}
		return dimensions[token]
	}
	for _, p := range t.phrases {
		from := own(t.tokenizer.tokenOf(int(p.after)))
		for _, piece := range p.pieces {
			token := t.tokenizer.pieces[piece]
			next[from] = token
			from = own(token)
		}
		next[from] = t.tokenizer.end
		if p.then != 0 {
			next[from] = t.tokenizer.tokenOf(int(p.then))
		}
	}
	if otherKind+1+len(dimensions) > small {
		panic("the phrases have more tokens than there are dimensions")
	}
	return dimensions, next
}

// toolTemplate is to llama.cpp what tiny-tools.Modelfile is to Ollama.
const toolTemplate = "{%- for tool in tools %}({{ tool.function.name }}) {% endfor %}" +
	"{%- for message in messages %}" +
	"{%- if message.role == 'tool' %}(tool_response) {{ message.content }}" +
	"{%- else %}({{ message.role }}) {{ message.content }}" +
	"{%- for call in message.tool_calls %}<tool_call>\n{\"name\": \"{{ call.function.name }}\", \"arguments\": {{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}" +
	"{%- endif %}{%- endfor %}" +
	"{%- if not tools %}.{% endif %}"

// toolPhrases are calls of get_weather(city: text) and get_time(zone: text), the second with arguments of the wrong type.
func toolPhrases() []phrase {
	return []phrase{
		{after: '!', pieces: []string{"<tool_call>", "\n{\"name\": \"get_", "weather\", ", "\"arguments\": {\"city\":", " \"Paris\"}}\n", "</tool_call>"}},
		{after: '#', pieces: []string{"<tool_", "call>\n{\"name\": \"get_weather\", \"arguments\": ", "{\"city\": 5}}\n", "</tool_call>"}},
		{after: '&', pieces: []string{"Looking. <tool", "_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>\n<tool_",
			"call>\n{\"name\": \"get_time\", ", "\"arguments\": {\"zone\": \"CET\"}}\n", "</tool_call>"}},
	}
}

// thinkingTemplate is to llama.cpp what tiny-thinking.Modelfile is to Ollama.
const thinkingTemplate = "{%- for message in messages %}({{ message.role }}) " +
	"{%- if message.reasoning_content %}<think>\n{{ message.reasoning_content }}\n</think>\n{% endif %}{{ message.content }}{% endfor %}" +
	"{%- if add_generation_prompt %}{% if enable_thinking %}${% endif %}{% endif %}"

// thinkingPhrases are thoughts, by the mark that a template writes for how much the model is to think; the last ends in a
// call.
func thinkingPhrases() []phrase {
	return []phrase{
		{after: '$', pieces: []string{"<think>", "a brief", " thought", "</think>"}, then: 'x'},
		{after: '@', pieces: []string{"<think>\nsome ", "thoughts\n</think>\n\n"}, then: 'w'},
		{after: '%', pieces: []string{"<th", "ink>\nthoughts at great ", "length</th", "ink>\n"}, then: 'v'},
		{after: '^', pieces: []string{"<think>long", " and longer ", "thoughts</think>"}, then: 'u'},
		{after: '~', pieces: []string{"<think>\nlet me ", "look\n</think>", "\n\n<tool", "_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>"}},
	}
}

// byteSpelling writes a text as the tokens of GPT-2 are written: see tokens.
func byteSpelling(text string) string {
	spelled, _ := tokens()
	var b strings.Builder
	for i := range len(text) {
		b.WriteString(spelled[text[i]])
	}
	return b.String()
}
