package result

import (
	"encoding/json"
	"strings"

	"fluxworker/worker/prompt"
)

// answers are the answers in a body, as a table shows them. Most of a body is text, so it is copied and not decoded.
type answers struct {
	list  []answer
	usage json.RawMessage // nil without one
}

// answer is one answer. Its parts are JSON.
type answer struct {
	text   json.RawMessage // a string; an answer that is no text (a tool call, a vector) is its JSON as a string
	finish json.RawMessage // the finish reason; nil without one
}

// AnswerTexts returns the texts of the answers in a body. An answer that is no text (a tool call, a vector) is its JSON.
func AnswerTexts(body json.RawMessage) ([]string, error) {
	found, err := answersOf(body)
	var texts []string
	for _, a := range found.list {
		texts = append(texts, prompt.TextOf(a.text))
	}
	return texts, err
}

// answersOf returns the answers in a body, which is valid JSON.
func answersOf(body json.RawMessage) (answers, error) {
	var a answers
	var choices, output, status json.RawMessage
	data := body
	prompt.EachMember(body, func(name, value []byte) {
		switch string(name) {
		case `"choices"`:
			choices = value
		case `"data"`:
			data = value
		case `"output"`:
			output = value
		case `"status"`:
			status = value
		case `"usage"`:
			a.usage = value
		}
	})
	switch {
	case output != nil:
		text, err := textOfResponse(output)
		a.list = []answer{{quoted(text), finishOf(status)}}
		return a, err
	case len(choices) > 0 && choices[0] == '[':
		prompt.EachElement(choices, func(choice []byte) { a.list = append(a.list, answerOf(choice)) })
	}
	if len(a.list) == 0 {
		a.list = []answer{{text: quoted(string(data))}}
	}
	return a, nil
}

// answerOf returns the answer in a choice.
func answerOf(choice []byte) (a answer) {
	var text, message, content, calls json.RawMessage
	eachMemberOf(choice, func(name, value []byte) {
		switch string(name) {
		case `"text"`:
			text = value
		case `"message"`:
			message = value
		case `"finish_reason"`:
			a.finish = value
		}
	})
	eachMemberOf(message, func(name, value []byte) {
		switch string(name) {
		case `"content"`:
			content = value
		case `"tool_calls"`:
			calls = value
		}
	})
	switch {
	case isString(text):
		a.text = text
	case isString(content) && (calls == nil || string(calls) == "null" || string(calls) == "[]"): // vLLM writes an empty list
		a.text = content
	default:
		a.text = quoted(string(message))
	}
	return a
}

// eachMemberOf is prompt.EachMember for a value that may be no object.
func eachMemberOf(value []byte, do func(name, value []byte)) {
	if isObject(value) {
		prompt.EachMember(value, do)
	}
}

func isString(value []byte) bool { return len(value) > 0 && value[0] == '"' }

// finishOf returns the finish reason that the status of a response means.
func finishOf(status json.RawMessage) json.RawMessage {
	switch string(status) {
	case `"completed"`:
		return json.RawMessage(`"stop"`)
	case `"incomplete"`:
		return json.RawMessage(`"length"`)
	}
	return nil
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
