package result

import (
	"bytes"
	"encoding/json"
	"strings"

	"fluxworker/worker/prompt"
)

// appendNarrow writes a row as one line of a narrow table, or as one line for each answer. It quotes fields where needed and does
// not change them: a text like =1+1, which a spreadsheet takes for a formula, may be intended.
func appendNarrow(b *bytes.Buffer, r documentRow, comma rune) error {
	w := newTableWriter(b, comma)
	if r.answered {
		answers, err := AnswerTexts(r.body)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			w.Write([]string{r.customID, answer, ""}) // to memory, so it cannot fail
		}
	} else {
		w.Write([]string{r.customID, "", r.failure})
	}
	w.Flush()
	return w.Error()
}

// AnswerTexts returns the answers in a body. An answer that is not a text (a tool call, an embedding) is returned as JSON.
func AnswerTexts(body json.RawMessage) ([]string, error) {
	var choices []choice
	var list, output json.RawMessage
	data := body
	prompt.EachMember(body, func(name, value []byte) {
		switch string(name) {
		case `"choices"`:
			list = value
		case `"data"`:
			data = value
		case `"output"`:
			output = value
		}
	})
	if list != nil {
		if err := json.Unmarshal(list, &choices); err != nil {
			return nil, err
		}
	}
	if output != nil {
		text, err := textOfResponse(output)
		return []string{text}, err
	}
	if len(choices) == 0 {
		return []string{string(data)}, nil
	}
	texts := make([]string, len(choices))
	for i, c := range choices {
		switch {
		case c.Text != nil:
			texts[i] = *c.Text
		case c.Message.Content != nil && c.Message.ToolCalls == nil:
			texts[i] = *c.Message.Content
		default:
			messages, err := messagesOf(list)
			if err != nil {
				return nil, err
			}
			texts[i] = messages[i]
		}
	}
	return texts, nil
}

// choice is one answer in a body.
type choice struct {
	Text    *string `json:"text"`
	Message struct {
		Content   *string         `json:"content"`
		ToolCalls json.RawMessage `json:"tool_calls"`
	} `json:"message"`
}

// messagesOf returns the messages of choices as JSON.
func messagesOf(list json.RawMessage) ([]string, error) {
	var choices []struct {
		Message json.RawMessage `json:"message"`
	}
	if err := json.Unmarshal(list, &choices); err != nil {
		return nil, err
	}
	texts := make([]string, len(choices))
	for i, c := range choices {
		texts[i] = string(c.Message)
	}
	return texts, nil
}

// textOfResponse returns the text of the messages in the output of a response.
func textOfResponse(output json.RawMessage) (string, error) {
	var items []struct {
		Type    string `json:"type"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(output, &items); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, item := range items {
		if item.Type != "message" {
			continue
		}
		for _, part := range item.Content {
			text.WriteString(part.Text)
		}
	}
	return text.String(), nil
}
