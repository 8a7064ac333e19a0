package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	fast "fluxworker/worker/json"
)

// Defaults is what a row's request gets where the row itself says nothing. It is taken as valid.
type Defaults struct {
	// Model is the name that the server knows the run's model by. Empty accepts every model that a row names.
	Model string
	// ModelNames are other names that rows may give for the same model.
	ModelNames []string
	// System is put in front of every row that has no system message; empty for none.
	System string
	// Sampling holds the options that a row may override one by one.
	Sampling Sampling
	// ImageFiles is where rows may name files with images; nil for nowhere.
	ImageFiles *ImageFolder
}

// decoder makes requests of lines.
type decoder struct {
	defaults Defaults
	limit    int // bytes of a line, and once more of the images that it names
	schemas  schemas
}

// textLine makes the request of a line that is a prompt as it stands.
func (d *decoder) textLine(line []byte) (Request, *problem) {
	if p := checkUTF8(line, CodeInvalidValue); p != nil {
		return Request{}, p
	}
	return d.single(Message{Role: roleUser, Content: string(line)}), nil
}

// single makes the request of one message.
func (d *decoder) single(m Message) Request {
	r := Request{Endpoint: Chat, Model: d.defaults.Model, Messages: []Message{m}, Sampling: d.sampling()}
	d.addSystem(&r)
	return r
}

// promptRow makes the request of a prompt and the images that go with it. It takes them over.
func (d *decoder) promptRow(text string, images [][]byte) (Request, *problem) {
	if text == "" {
		return Request{}, problemf(CodeInvalidValue, "", "makes an empty prompt")
	}
	return d.single(Message{Role: roleUser, Content: text, Images: images}), nil
}

// jsonLine makes the request of a line that is a JSON object. customID is set wherever it can be read, also in a row
// with a problem.
func (d *decoder) jsonLine(line []byte) (r Request, customID string, p *problem) {
	row, customID, p := objectOf(line)
	switch {
	case p != nil:
	case row.present.has(fieldBody):
		r, p = d.batchRow(&row)
	default:
		r, p = d.shortRow(&row)
	}
	return r, customID, p
}

// objectOf reads the top of a line, and the name of its row.
func objectOf(line []byte) (row object, customID string, p *problem) {
	if p := checkUTF8(line, CodeInvalidJSON); p != nil {
		return row, "", p
	}
	if !fast.Valid(line) {
		return row, "", syntaxProblem(line)
	}
	line = bytes.Trim(line, blanks)
	if line[0] != '{' {
		return row, "", problemf(CodeInvalidJSON, "", "the line is %s; it must be an object%s", describe(line, false), listHint(line))
	}
	row.read(line)
	if value := row.get(fieldCustomID); value != nil {
		if value[0] != '"' {
			return row, "", wrongType(value, true, "a string").under(fieldCustomID.String())
		}
		customID = unquote(value)
	}
	return row, customID, nil
}

// batchRow decodes a row as OpenAI's Batch API wants it.
func (d *decoder) batchRow(row *object) (Request, *problem) {
	const advice = "is not a field of a row that has a body: request fields belong into body, your own data into metadata"
	if p := row.check(batchFields, advice); p != nil {
		return Request{}, p
	}
	if value := row.get(fieldMethod); value != nil {
		if value[0] != '"' {
			return Request{}, wrongType(value, true, "a string").under(fieldMethod.String())
		}
		if unquote(value) != "POST" {
			return Request{}, problemf(CodeInvalidValue, fieldMethod.String(), `is %s; it must be "POST"`, quote(unquote(value)))
		}
	}
	value := row.get(fieldBody)
	if value[0] != '{' {
		return Request{}, wrongType(value, false, "an object").under(fieldBody.String())
	}
	var body object
	body.read(value)
	endpoint, p := endpointOf(row.get(fieldURL), &body)
	if p != nil {
		return Request{}, p
	}
	r, p := d.body(&body, endpoint, fieldsOf(endpoint))
	if p != nil {
		return Request{}, p.under(fieldBody.String())
	}
	return r, nil
}

// shortRow decodes a row whose request fields stand at its top. It asks for a chat completion whether it has a prompt
// or messages; system is another way to write a system message.
func (d *decoder) shortRow(row *object) (Request, *problem) {
	if !row.present.has(fieldPrompt) && !row.present.has(fieldMessages) {
		instead := ""
		if row.unknown != nil { // maybe misspelt
			instead = "; it has " + quote(unquote(row.unknown))
		}
		return Request{}, problemf(CodeMissing, fieldBody.String(),
			"is missing: a row needs a body, or else a prompt or messages of its own%s", instead)
	}
	r, p := d.body(row, Chat, shortFields)
	if p != nil {
		return Request{}, p
	}
	return r, nil
}

// endpointOf is the endpoint that a row names by its url, or, without one, the one that its body is made for.
func endpointOf(value []byte, body *object) (Endpoint, *problem) {
	hasMessages, hasPrompt, hasInput := body.present.has(fieldMessages), body.present.has(fieldPrompt), body.present.has(fieldInput)
	endpoint := Chat
	switch {
	case value == nil && hasPrompt && !hasMessages:
		endpoint = Completions
	case value == nil && hasInput && !hasMessages:
		endpoint = Embeddings
	case value == nil:
	case value[0] != '"':
		return "", wrongType(value, true, "a string").under(fieldURL.String())
	default:
		endpoint = Endpoint(unquote(value))
	}
	path := fieldBody.String() + "."
	switch {
	case endpoint != Chat && endpoint != Completions && endpoint != Embeddings:
		return "", problemf(CodeURLMismatch, fieldURL.String(), "is %s; it must be %q, %q or %q", quote(string(endpoint)), Chat, Completions, Embeddings)
	case endpoint == Chat && !hasMessages:
		return "", problemf(CodeMissing, path+fieldMessages.String(), "is missing, which %s needs", Chat)
	case endpoint == Completions && !hasPrompt:
		return "", problemf(CodeMissing, path+fieldPrompt.String(), "is missing, which %s needs", Completions)
	case endpoint == Embeddings && !hasInput:
		return "", problemf(CodeMissing, path+fieldInput.String(), "is missing, which %s needs", Embeddings)
	}
	return endpoint, nil
}

// fieldsOf are the fields that a body may have.
func fieldsOf(e Endpoint) fieldSet {
	switch e {
	case Completions:
		return completionFields
	case Embeddings:
		return embeddingFields
	default:
		return chatFields
	}
}

// body decodes the fields that make the request.
func (d *decoder) body(o *object, endpoint Endpoint, allowed fieldSet) (r Request, p *problem) {
	if p = o.check(allowed, unsupportedField); p != nil {
		return r, p
	}
	r.Endpoint = endpoint
	if r.Model, p = d.model(o.get(fieldModel)); p != nil {
		return r, p.under(fieldModel.String())
	}
	if endpoint == Embeddings {
		r.Embedding, p = decodeEmbedding(o)
		return r, p
	}
	if r.Messages, p = d.conversation(o); p != nil {
		return r, p
	}
	r.Sampling = d.sampling()
	if p = decodeSampling(o, &r.Sampling); p != nil {
		return r, p
	}
	if p = checkDelivery(o); p != nil {
		return r, p
	}
	if r.N, p = decodeAnswers(o); p != nil {
		return r, p
	}
	if endpoint == Completions {
		return r, decodeCompletion(o, &r)
	}
	return r, d.decodeChat(o, &r)
}

// decodeChat reads what only a row of /v1/chat/completions has.
func (d *decoder) decodeChat(o *object, r *Request) (p *problem) {
	d.addSystem(r)
	if r.Logprobs, p = decodeLogprobs(o); p != nil {
		return p
	}
	if r.Thinking, p = decodeEffort(o); p != nil {
		return p
	}
	if r.Structure, p = d.decodeResponseFormat(o); p != nil {
		return p
	}
	r.Tools, p = d.decodeTools(o)
	return p
}

// addSystem puts the run's system message before a conversation that has none.
func (d *decoder) addSystem(r *Request) {
	isSystem := func(m Message) bool { return m.Role == roleSystem }
	if d.defaults.System != "" && !slices.ContainsFunc(r.Messages, isSystem) {
		r.Messages = slices.Insert(r.Messages, 0, Message{Role: roleSystem, Content: d.defaults.System})
	}
}

// sampling is a copy of the defaults that shares nothing with them.
func (d *decoder) sampling() Sampling {
	s := d.defaults.Sampling
	s.Stop = slices.Clone(s.Stop)
	if s.Seed != nil {
		s.Seed = new(*s.Seed)
	}
	return s
}

// model checks the model that a row names. Whatever it calls it, the request gets the run's own name for it, so that
// the spelling makes no difference to the key.
func (d *decoder) model(value []byte) (string, *problem) {
	if value == nil {
		return d.defaults.Model, nil
	}
	if value[0] != '"' {
		return "", wrongType(value, true, "a string")
	}
	name := unquote(value)
	same := func(other string) bool {
		return strings.TrimSuffix(name, ":latest") == strings.TrimSuffix(other, ":latest")
	}
	switch {
	case d.defaults.Model == "":
		return name, nil
	case same(d.defaults.Model) || slices.ContainsFunc(d.defaults.ModelNames, same):
		return d.defaults.Model, nil
	}
	return "", problemf(CodeModelMismatch, "", "is %s, but this run's model is %s; remove the field, or run it with --model %s",
		quote(name), quote(d.defaults.Model), quote(name))
}

// checkUTF8 finds bytes that are no UTF-8. encoding/json would replace them silently.
func checkUTF8(line []byte, code string) *problem {
	if wrong := notUTF8(line); wrong != "" {
		return problemf(code, "", "the line %s", wrong)
	}
	return nil
}

// notUTF8 says where text is no UTF-8; empty where all of it is.
func notUTF8(line []byte) string {
	if utf8.Valid(line) {
		return ""
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(line[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	hint := ""
	if bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff")) {
		hint = "; the file looks like UTF-16, save it as UTF-8"
	}
	return fmt.Sprintf("is not UTF-8: byte %d of it, 0x%02x, does not belong there%s", at+1, line[at], hint)
}

// syntaxProblem says where line stops being JSON.
func syntaxProblem(line []byte) *problem {
	reason := "it cannot be decoded"
	var value any
	err := json.Unmarshal(line, &value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		reason = fmt.Sprintf("%s at column %d", syntax, syntax.Offset)
	}
	return problemf(CodeInvalidJSON, "", "the line is not JSON: %s%s", reason, listHint(line))
}

// listHint helps with the two ways in which a JSON file is often taken for a JSONL file.
func listHint(line []byte) string {
	switch trimmed := bytes.Trim(line, blanks); {
	case trimmed[0] == '[':
		return "; to make rows of a JSON list, run jq -c '.[]' on the file"
	case len(trimmed) == 1 && trimmed[0] == '{':
		return "; an object must be on one line, and jq -c . on the file puts it there"
	}
	return ""
}
