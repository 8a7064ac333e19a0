package result

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
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
	var completion struct {
		Choices []struct {
			Message json.RawMessage `json:"message"`
			Text    *string         `json:"text"`
		} `json:"choices"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &completion); err != nil {
		return nil, err
	}
	var texts []string
	for _, choice := range completion.Choices {
		if choice.Text != nil {
			texts = append(texts, *choice.Text)
			continue
		}
		var message struct {
			Content   *string         `json:"content"`
			ToolCalls json.RawMessage `json:"tool_calls"`
		}
		if err := json.Unmarshal(choice.Message, &message); err != nil {
			return nil, err
		}
		if message.Content == nil || message.ToolCalls != nil {
			texts = append(texts, string(choice.Message))
		} else {
			texts = append(texts, *message.Content)
		}
	}
	switch {
	case len(texts) > 0:
	case completion.Data != nil:
		texts = []string{string(completion.Data)}
	default:
		texts = []string{string(body)}
	}
	return texts, nil
}
