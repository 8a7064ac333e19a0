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

// partSeparator joins the text parts of one message. Ollama's /v1 API makes one message per part, and its templates
// join messages of the same role with an empty line. So the prompt is the same as there; and for models that Ollama
// renders without a template, the message stays one turn instead of several.
const partSeparator = "\n\n"

// contentWanted describes the valid content of a message.
const contentWanted = "a string or a list of parts (text or image_url)"

// conversation returns the messages of an object that has messages or prompt.
func (d *decoder) conversation(o *object) ([]Message, *rowError) {
	list, prompt := o.get(fieldMessages), o.get(fieldPrompt)
	if list != nil && prompt != nil {
		return nil, rowErrorf(CodeInvalidValue, fieldPrompt.String(), "and messages are both given; remove one")
	}
	var messages []Message
	var p *rowError
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

// addSystem inserts the system field of a short row as the first message. It keeps an empty one: with it the row
// rejects the system prompts of the run and of the model.
func addSystem(messages []Message, value []byte) ([]Message, *rowError) {
	if value[0] != '"' {
		return nil, wrongType(value, false, "a string").under(fieldSystem.String())
	}
	for i := range messages {
		if messages[i].Role == roleSystem {
			return nil, rowErrorf(CodeInvalidValue, fieldSystem.String(), "is given, and messages has a system message too; remove one")
		}
	}
	return append([]Message{{Role: roleSystem, Content: unquote(value)}}, messages...), nil
}

// decodePrompt returns a prompt as one user message.
func decodePrompt(value []byte) ([]Message, *rowError) {
	if value[0] == '[' {
		w := walk(value)
		first, ok := w.element()
		if !ok {
			return nil, rowErrorf(CodeInvalidValue, "", "is an empty list; it must be a non-empty string")
		}
		if _, more := w.element(); more || first[0] != '"' {
			return nil, rowErrorf(CodeUnsupported, "", "is a list; only a list of one string is supported, use one row per prompt")
		}
		value = first
	}
	if value[0] != '"' {
		return nil, wrongType(value, false, "a string")
	}
	text := unquote(value)
	if text == "" {
		return nil, rowErrorf(CodeInvalidValue, "", "is empty")
	}
	return []Message{{Role: roleUser, Content: text}}, nil
}

func (d *decoder) messages(value []byte) ([]Message, *rowError) {
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
		return nil, rowErrorf(CodeInvalidValue, "", "is an empty list; it must hold at least one message")
	}
	if empty {
		return nil, rowErrorf(CodeInvalidValue, "", "has no message with content")
	}
	return messages, nameTools(messages)
}

func decodeMessage(value []byte, images *imageReader) (m Message, p *rowError) {
	if value[0] != '{' {
		return m, wrongType(value, false, "an object")
	}
	if holds(value, "from") && !holds(value, "role") {
		return m, rowErrorf(CodeMissing, fieldRole.String(), "is missing; messages with from and value are read with --messages-column")
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
	case len(m.ToolCalls) > 0: // an assistant that calls tools may have no content
	case o.isNull(fieldContent):
		p = rowErrorf(CodeInvalidValue, "", "is null; it must be %s", contentWanted)
	default:
		p = rowErrorf(CodeMissing, "", "is missing")
	}
	if p != nil {
		return Message{}, p.under(fieldContent.String())
	}
	return m, nil
}

func decodeRole(value []byte) (string, *rowError) {
	if value == nil {
		return "", rowErrorf(CodeMissing, "", "is missing")
	}
	if value[0] != '"' {
		return "", wrongType(value, true, "a string")
	}
	switch name := unquote(value); name {
	case roleSystem, "developer": // OpenAI's newer name of the same role
		return roleSystem, nil
	case roleUser:
		return roleUser, nil
	case roleAssistant:
		return roleAssistant, nil
	case roleTool:
		return roleTool, nil
	case "function":
		return "", rowErrorf(CodeUnsupported, "", "is function, OpenAI's old form; use tool")
	default:
		return "", rowErrorf(CodeInvalidValue, "", "is %s; it must be system, developer, user, assistant or tool", word(name))
	}
}

// content reads the content of a message.
func (r *imageReader) content(value []byte, m *Message) *rowError {
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
			// Templates have no other place for images, and some drop an image elsewhere.
			p = rowErrorf(CodeUnsupported, "", "is an image in a message with role %s; put images into messages with role user", m.Role)
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
		return rowErrorf(CodeInvalidValue, "", "is an empty list; it must be %s", contentWanted)
	}
	m.Content = strings.Join(texts, partSeparator)
	return nil
}

// contentPart decodes one part. Either text or image is set; image is nil for a text.
func (r *imageReader) contentPart(value []byte) (text string, image []byte, p *rowError) {
	if value[0] != '{' {
		return "", nil, wrongType(value, false, "an object")
	}
	var o object
	o.read(value)
	kind := o.get(fieldType)
	if kind == nil {
		return "", nil, rowErrorf(CodeMissing, fieldType.String(), "is missing")
	}
	if kind[0] != '"' {
		return "", nil, wrongType(kind, true, "a string").under(fieldType.String())
	}
	// Check the type before the other fields: for an audio part the type is wrong, not its fields.
	switch name := unquote(kind); name {
	case "text":
		text, p = textPart(&o)
	case "image_url":
		image, p = r.part(&o)
	default:
		p = rowErrorf(CodeUnsupported, fieldType.String(), "is %s; only text and image_url parts are supported", word(name))
	}
	return text, image, p
}

func textPart(o *object) (string, *rowError) {
	if p := o.check(partFields, unsupportedField); p != nil {
		return "", p
	}
	text := o.get(fieldText)
	if text == nil {
		return "", rowErrorf(CodeMissing, fieldText.String(), "is missing")
	}
	if text[0] != '"' {
		return "", wrongType(text, false, "a string").under(fieldText.String())
	}
	return unquote(text), nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
