package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// turn is a part of a prompt: the text of a role, or of a column.
type turn struct{ Role, Text string }

// turnsOf returns the prompt of a row for people. row is a JSON object as prompt.Reader.Input returns it; nil gives no turns.
func turnsOf(row []byte, q record.Requests) []turn {
	if row == nil {
		return []turn{{Text: "The line of the input is not a JSON object."}}
	}
	shown, members := row, membersOf(row)
	if cells := members["metadata"]; len(members) == 2 && members["custom_id"] != nil && len(membersOf(cells)) > 0 {
		shown, members = cells, membersOf(cells) // of a table
	}
	request := members
	if inner := membersOf(members["body"]); len(inner) > 0 {
		request = inner // of a batch row
	}
	var turns []turn
	add := func(role string, value json.RawMessage) {
		if text := textOf(value); text != "" {
			turns = append(turns, turn{role, text})
		}
	}
	add("system", request["system"])
	add("system", request["instructions"])
	conversation := cmp.Or(q.MessagesColumn, "messages")
	for _, m := range elementsOf(request[conversation]) {
		one := membersOf(m)
		add(cmp.Or(textOf(one["role"]), textOf(one["from"])), firstOf(one, "content", "value"))
	}
	add("", firstOf(request, cmp.Or(q.PromptColumn, "prompt"), "input"))
	if len(turns) == 0 { // columns of one's own, or a row that cannot be asked
		prompt.EachMember(bytes.TrimSpace(shown), func(name, value []byte) { add(textOf(name), value) })
	}
	return clipTurns(turns)
}

// membersOf returns the members of a JSON object; none for another value.
func membersOf(object []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	return members
}

// elementsOf returns the elements of a JSON list; none for another value.
func elementsOf(list []byte) []json.RawMessage {
	var elements []json.RawMessage
	if json.Unmarshal(list, &elements) != nil {
		return nil
	}
	return elements
}

// firstOf returns the first member that an object has.
func firstOf(members map[string]json.RawMessage, names ...string) json.RawMessage {
	for _, name := range names {
		if value := members[name]; value != nil {
			return value
		}
	}
	return nil
}

// maxNesting is the depth to which textOf looks for texts: a list of messages whose contents are lists of parts has five levels. Each
// level is decoded again, so that a row of brackets would take minutes.
const maxNesting = 8

// textOf returns the text of a JSON value: a string, the texts of a list, or of an object its text. An image is only named.
func textOf(value json.RawMessage) string { return textWithin(value, maxNesting) }

func textWithin(value json.RawMessage, levels int) string {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0:
		return ""
	case levels == 0 || value[0] != '[' && value[0] != '{':
		return prompt.TextOf(value)
	case value[0] == '[':
		var texts []string
		for _, e := range elementsOf(value) {
			if text := textWithin(e, levels-1); text != "" {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, "\n\n")
	}
	members := membersOf(value)
	if text := firstOf(members, "text", "content"); text != nil {
		return textWithin(text, levels-1)
	}
	if kind := prompt.TextOf(members["type"]); strings.Contains(kind, "image") {
		return fmt.Sprintf("[image, %s]", size(int64(len(value))))
	}
	return string(value)
}

// clipTurns cuts the texts of a prompt together at the limit.
func clipTurns(turns []turn) []turn {
	left := maxPrompt
	for i, t := range turns {
		turns[i] = turn{Role: clip(t.Role, maxName), Text: clip(t.Text, max(left, 200))}
		if left -= len(t.Text); left <= 0 && i+1 < len(turns) {
			rest := len(turns) - i - 1
			return append(turns[:i+1], turn{Text: fmt.Sprintf("… (%s more)", count(int64(rest), "part"))})
		}
	}
	return turns
}
