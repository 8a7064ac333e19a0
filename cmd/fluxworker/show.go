package main

import (
	"io"
	"net/http"
	"strings"

	"fluxworker/worker/prompt"
)

// showRequest prints the request of a row: what the model gets, before the model's own template.
func showRequest(w io.Writer, row *prompt.Row) {
	r := &row.Request
	if r.Body != nil {
		printf(w, "%s (line %d) %s\n", row.CustomID, row.Line, r.Endpoint)
		showText(w, string(r.Body))
		return
	}
	printf(w, "%s (line %d) %s, max_tokens %d\n", row.CustomID, row.Line, r.Endpoint, r.Sampling.MaxTokens)
	for _, m := range r.Messages {
		printf(w, "  %s:\n", m.Role)
		showText(w, m.Content)
		if m.Reasoning != "" {
			printf(w, "    (reasoning)\n")
			showText(w, m.Reasoning)
		}
		for i, image := range m.Images {
			printf(w, "    (image %d: %s, %d bytes)\n", i+1, strings.TrimPrefix(http.DetectContentType(image), "image/"), len(image))
		}
		for _, call := range m.ToolCalls {
			printf(w, "    (call of %s with %s)\n", call.Name, call.Arguments)
		}
	}
	if e := r.Embedding; e != nil {
		for i, text := range e.Input {
			printf(w, "  text %d:\n", i+1)
			showText(w, text)
		}
	}
	for _, tool := range r.Tools {
		printf(w, "  (tool %s)\n", tool.Name)
	}
	switch s := r.Structure; {
	case s == nil:
	case s.Schema == nil:
		printf(w, "  (the answer is a JSON object)\n")
	default:
		printf(w, "  (the answer is JSON by the schema %s)\n", s.Schema)
	}
}

// showText prints the lines of a text, each indented.
func showText(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		printf(w, "    %s\n", strings.TrimRight(line, "\r\n"))
	}
}
