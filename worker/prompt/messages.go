package prompt

import (
	"strconv"
	"strings"
)

const (
	roleSystem    = "system"
	roleUser      = "user"
	roleAssistant = "assistant"
)

// partSeparator stands between the text parts of one message. Ollama's /v1 makes a message of each part, and its
// templates join neighbours of the same role with an empty line. So a message in parts comes out as it does there,
// and for the models that Ollama renders without a template it stays one turn instead of becoming several.
const partSeparator = "\n\n"

// contentWanted is what a message's content must be.
const contentWanted = "a string or a list of parts (text or image_url)"

// conversation makes messages of whichever of messages and prompt an object has.
func (d *decoder) conversation(o *object) ([]Message, *problem) {
	list, prompt := o.get(fieldMessages), o.get(fieldPrompt)
	if list != nil && prompt != nil {
		return nil, problemf(CodeInvalidValue, fieldPrompt.String(), "and messages are both given; remove one")
	}
	var messages []Message
	var p *problem
	if list != nil {
		if messages, p = d.messages(list); p != nil {
			return nil, p.under(fieldMessages.String())
		}
	} else {
		if messages, p = decodePrompt(prompt); p != nil {
			return nil, p.under(fieldPrompt.String())
		}
	}
	value := o.get(fieldSystem)
	if value == nil {
		return messages, nil
	}
	return addSystem(messages, value)
}

// addSystem puts the system field of a short row in front. An empty one is kept: it says that the row wants no system
// prompt, neither the run's nor the model's.
func addSystem(messages []Message, value []byte) ([]Message, *problem) {
	if value[0] != '"' {
		return nil, wrongType(value, false, "a string").under(fieldSystem.String())
	}
	for i := range messages {
		if messages[i].Role == roleSystem {
			return nil, problemf(CodeInvalidValue, fieldSystem.String(), "is given, and messages has a system message too; remove one")
		}
	}
	return append([]Message{{Role: roleSystem, Content: unquote(value)}}, messages...), nil
}

// decodePrompt makes the one user message of a prompt.
func decodePrompt(value []byte) ([]Message, *problem) {
	if value[0] == '[' {
		w := walk(value)
		first, ok := w.element()
		if !ok {
			return nil, problemf(CodeInvalidValue, "", "is an empty list; it must be a string that is not empty")
		}
		if _, more := w.element(); more || first[0] != '"' {
			return nil, problemf(CodeUnsupported, "", "is a list; only a list of one string is supported, make a row of each prompt")
		}
		value = first
	}
	if value[0] != '"' {
		return nil, wrongType(value, false, "a string")
	}
	text := unquote(value)
	if text == "" {
		return nil, problemf(CodeInvalidValue, "", "is empty")
	}
	return []Message{{Role: roleUser, Content: text}}, nil
}

func (d *decoder) messages(value []byte) ([]Message, *problem) {
	if value[0] != '[' {
		return nil, wrongType(value, false, "a list")
	}
	messages := make([]Message, 0, 4)
	images := imageReader{folder: d.defaults.ImageFiles, left: int64(d.limit)}
	empty := true
	w := walk(value)
	for {
		value, ok := w.element()
		if !ok {
			break
		}
		m, p := decodeMessage(value, &images)
		if p != nil {
			return nil, p.under(index(len(messages)))
		}
		empty = empty && m.Content == "" && len(m.Images)+len(m.ToolCalls) == 0
		messages = append(messages, m)
	}
	if len(messages) == 0 {
		return nil, problemf(CodeInvalidValue, "", "is an empty list; it must hold at least one message")
	}
	if empty {
		return nil, problemf(CodeInvalidValue, "", "has no message with content")
	}
	return messages, nameTools(messages)
}

func decodeMessage(value []byte, images *imageReader) (m Message, p *problem) {
	if value[0] != '{' {
		return m, wrongType(value, false, "an object")
	}
	var o object
	o.read(value)
	if m.Role, p = decodeRole(o.get(fieldRole)); p != nil {
		return m, p.under(fieldRole.String())
	}
	if p = decodeTurn(&o, &m); p != nil {
		return m, p
	}
	switch value := o.get(fieldContent); {
	case value != nil:
		p = images.content(value, &m)
	case len(m.ToolCalls) > 0: // then there may be nothing to say
	case o.isNull(fieldContent):
		p = problemf(CodeInvalidValue, "", "is null; it must be %s", contentWanted)
	default:
		p = problemf(CodeMissing, "", "is missing")
	}
	if p != nil {
		return Message{}, p.under(fieldContent.String())
	}
	return m, nil
}

func decodeRole(value []byte) (string, *problem) {
	if value == nil {
		return "", problemf(CodeMissing, "", "is missing")
	}
	if value[0] != '"' {
		return "", wrongType(value, true, "a string")
	}
	switch name := unquote(value); name {
	case roleSystem, "developer": // OpenAI's newer word for the same
		return roleSystem, nil
	case roleUser:
		return roleUser, nil
	case roleAssistant:
		return roleAssistant, nil
	case roleTool:
		return roleTool, nil
	case "function":
		return "", problemf(CodeUnsupported, "", "is function, which is OpenAI's old form; use tool")
	default:
		return "", problemf(CodeInvalidValue, "", "is %s; it must be system, developer, user, assistant or tool", word(name))
	}
}

// content is what a message says.
func (r *imageReader) content(value []byte, m *Message) *problem {
	switch value[0] {
	case '"':
		m.Content = unquote(value)
		return nil
	case '[':
	default:
		return wrongType(value, false, contentWanted)
	}
	var texts []string
	w := walk(value)
	for i := 0; ; i++ {
		value, ok := w.element()
		if !ok {
			break
		}
		text, image, p := r.contentPart(value)
		switch {
		case p == nil && image != nil && m.Role != roleUser:
			// Templates know of no other place, and some leave an image out that is not there.
			p = problemf(CodeUnsupported, "", "is an image in a message of %s; images belong into messages of user", m.Role)
		case p == nil && image != nil:
			m.Images = append(m.Images, image)
		case p == nil:
			texts = append(texts, text)
		}
		if p != nil {
			return p.under(index(i))
		}
	}
	if len(texts)+len(m.Images) == 0 {
		return problemf(CodeInvalidValue, "", "is an empty list; it must be %s", contentWanted)
	}
	m.Content = strings.Join(texts, partSeparator)
	return nil
}

// contentPart decodes one part: image is nil for a text.
func (r *imageReader) contentPart(value []byte) (text string, image []byte, p *problem) {
	if value[0] != '{' {
		return "", nil, wrongType(value, false, "an object")
	}
	var o object
	o.read(value)
	kind := o.get(fieldType)
	if kind == nil {
		return "", nil, problemf(CodeMissing, fieldType.String(), "is missing")
	}
	if kind[0] != '"' {
		return "", nil, wrongType(kind, true, "a string").under(fieldType.String())
	}
	// Before the other fields: an audio part's are not what is wrong with it.
	switch name := unquote(kind); name {
	case "text":
		text, p = textPart(&o)
	case "image_url":
		image, p = r.part(&o)
	default:
		p = problemf(CodeUnsupported, fieldType.String(), "is %s; only text and image_url parts are supported", word(name))
	}
	return text, image, p
}

func textPart(o *object) (string, *problem) {
	if p := o.check(partFields, unsupportedField); p != nil {
		return "", p
	}
	text := o.get(fieldText)
	if text == nil {
		return "", problemf(CodeMissing, fieldText.String(), "is missing")
	}
	if text[0] != '"' {
		return "", wrongType(text, false, "a string").under(fieldText.String())
	}
	return unquote(text), nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
