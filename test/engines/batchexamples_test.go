package engines

import (
	"slices"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// batchExamples are rows as the documentation of OpenAI's Batch API has them, written anew, with our model in the place of
// theirs.
var batchExamples = []string{
	`{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "bigram", "messages": [{"role": "system", "content": "You help with numbers."},{"role": "user", "content": "x 3"}],"max_tokens": 1000}}`,
	`{"custom_id": "request-2", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "bigram", "messages": [{"role": "developer", "content": "You do not help."},{"role": "user", "content": [{"type": "text", "text": "x w"}]}],"max_completion_tokens": 1000, "temperature": 0.1, "metadata": {"batch": "1"}}}`,
	`{"custom_id": "task-0", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "bigram", "temperature": 0.1, "max_tokens": 300, "response_format": {"type": "json_schema", "json_schema": {"name": "film", "strict": true, "schema": {"type": "object", "properties": {"kind": {"type": "string", "enum": ["drama", "comedy"]}, "long": {"type": "boolean"}}, "required": ["kind", "long"], "additionalProperties": false}}}, "messages": [{"role": "user", "content": "x 3"}]}}`,
	`{"custom_id": "prompt-1", "method": "POST", "url": "/v1/completions", "body": {"model": "bigram", "prompt": "x w", "max_tokens": 16, "temperature": 0}}`,
	`{"custom_id": "embed-1", "method": "POST", "url": "/v1/embeddings", "body": {"model": "bigram", "input": "x 3", "encoding_format": "float"}}`,
}

// OpenAI's examples go through either engine, and every line has the fields that OpenAI's have.
func TestBatchExamples(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.Write(batchExamples...)
		code, ids := 0, []string{"request-1", "request-2", "task-0", "prompt-1", "embed-1"}
		if g.Name == "new" { // it makes no embeddings with a model for text
			code, ids = 3, ids[:4]
		}
		j.Run(code)
		results := j.RawLines("results.jsonl")
		if len(results) != len(ids) {
			t.Errorf("%d answers, want %d", len(results), len(ids))
		}
		for _, id := range ids {
			l := results[id]
			body := at(l, "response", "body")
			for _, field := range []string{"id", "custom_id", "response", "error"} {
				if _, there := l[field]; !there {
					t.Errorf("%s: no %s in %v", id, field, l)
				}
			}
			if at(l, "response", "status_code") != 200.0 || at(l, "response", "request_id") == nil || at(body, "model") != "bigram" ||
				!slices.Contains([]any{"chat.completion", "text_completion", "list"}, at(body, "object")) || at(body, "usage", "total_tokens") == nil {
				t.Errorf("%s: %v", id, l)
			}
		}
		text := func(id string) string {
			s, _ := at(results[id], "response", "body", "choices", 0, "message", "content").(string)
			return s
		}
		if text("request-1") != "456789abcdefghijklmnopqrstuvwxyz" || text("request-2") != "xyz" || !strings.Contains(text("task-0"), `"kind"`) ||
			at(results["prompt-1"], "response", "body", "choices", 0, "text") != "xyz" {
			t.Errorf("answers: %v", results)
		}
	})
}
