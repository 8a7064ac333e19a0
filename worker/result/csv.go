package result

import (
	"bytes"
	"encoding/csv"
	"encoding/json"

	"fluxworker/worker/prompt"
)

// csvHeader is the first line of a table.
const csvHeader = "id,answer,error\n"

// appendCSV writes a row of the table; of several answers to one row, each has its own. Fields are quoted where they need it
// and never changed: that a spreadsheet takes =1+1 for a formula is not known here to be wrong.
func appendCSV(b *bytes.Buffer, r documentRow) error {
	w := csv.NewWriter(b)
	if r.answered {
		answers, err := textsOf(r.body)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			w.Write([]string{r.customID, answer, ""}) // into memory, which cannot fail
		}
	} else {
		w.Write([]string{r.customID, "", r.failure})
	}
	w.Flush()
	return w.Error()
}

// textsOf are the answers in a body. What is no text (a call of a tool, an embedding) is there as JSON.
func textsOf(body json.RawMessage) ([]string, error) {
	var choices []choice
	var list json.RawMessage
	data := body
	prompt.EachMember(body, func(name, value []byte) {
		switch string(name) {
		case `"choices"`:
			list = value
		case `"data"`:
			data = value
		}
	})
	if list != nil {
		if err := json.Unmarshal(list, &choices); err != nil {
			return nil, err
		}
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

// choice is one answer of a body.
type choice struct {
	Text    *string `json:"text"`
	Message struct {
		Content   *string         `json:"content"`
		ToolCalls json.RawMessage `json:"tool_calls"`
	} `json:"message"`
}

// messagesOf are the messages of choices as JSON.
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
