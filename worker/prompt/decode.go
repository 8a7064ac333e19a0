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

// Defaults holds the parts of a request that a row may omit. Defaults are not validated.
type Defaults struct {
	// Model is the server's name of the run's model. If Model is empty, rows may name any model.
	Model string
	// ModelNames are other names by which rows may call the same model.
	ModelNames []string
	// System is the system message for rows without one; empty for none.
	System string
	// Sampling holds the sampling options; a row may override each.
	Sampling Sampling
	// Structure is the form of the answers of chats that do not say it themselves and have no tools; nil means text.
	Structure *Structure
	// Examples are messages before each chat's own, behind its system message.
	Examples []Message
	// ImageFiles is the folder in which rows may name image files; nil if they may not.
	ImageFiles *ImageFolder
	// OwnBodies is set for a server of OpenAI's API: each request has a Body, that of the row or one that is made from the row.
	OwnBodies bool
}

// decoder decodes the rows of an input to requests.
type decoder struct {
	defaults Defaults
	limit    int // limit of a line in bytes, and of all images that a row names in files
	schemas  schemas
}

// textLine returns the request for a line of text: the line is the prompt.
func (d *decoder) textLine(line []byte) (Request, *rowError) {
	if p := checkUTF8(line, CodeInvalidValue); p != nil {
		return Request{}, p
	}
	return d.single(Message{Role: roleUser, Content: string(line)}), nil
}

// single returns the request with one message.
func (d *decoder) single(m Message) Request {
	r := Request{Endpoint: Chat, Model: d.defaults.Model, Messages: []Message{m}, Sampling: d.sampling()}
	d.complete(&r, false)
	return r
}

// promptRow returns the request for a prompt and its images. The request takes ownership of images.
func (d *decoder) promptRow(text string, images [][]byte) (Request, *rowError) {
	if text == "" {
		return Request{}, rowErrorf(CodeInvalidValue, "", "makes an empty prompt")
	}
	return d.single(Message{Role: roleUser, Content: text, Images: images}), nil
}

// jsonLine decodes a line with a JSON object. customID is set if it is readable, also for a row with an error.
func (d *decoder) jsonLine(line []byte) (r Request, customID string, p *rowError) {
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

// objectOf reads the top level of a line, and the row's custom_id.
func objectOf(line []byte) (row object, customID string, p *rowError) {
	if p := checkUTF8(line, CodeInvalidJSON); p != nil {
		return row, "", p
	}
	if !fast.Valid(line) {
		fixed, ok := withoutNaN(line, fieldMetadata.String())
		if !ok {
			return row, "", syntaxError(line)
		}
		line = fixed
	}
	line = bytes.Trim(line, blanks)
	if line[0] != '{' {
		return row, "", rowErrorf(CodeInvalidJSON, "", "the line is %s; it must be an object%s", describe(line, false), listHint(line))
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

// batchRow decodes a row in the format of OpenAI's Batch API.
func (d *decoder) batchRow(row *object) (Request, *rowError) {
	const advice = "is not a field of a row with a body: put request fields into body, and your own data into metadata"
	if p := row.check(batchFields, advice); p != nil {
		return Request{}, p
	}
	if value := row.get(fieldMethod); value != nil {
		if value[0] != '"' {
			return Request{}, wrongType(value, true, "a string").under(fieldMethod.String())
		}
		if unquote(value) != "POST" {
			return Request{}, rowErrorf(CodeInvalidValue, fieldMethod.String(), `is %s; it must be "POST"`, quote(unquote(value)))
		}
	}
	value := row.get(fieldBody)
	if value[0] != '{' {
		return Request{}, wrongType(value, false, "an object").under(fieldBody.String())
	}
	if d.defaults.OwnBodies {
		return d.ownBody(row.get(fieldURL), value)
	}
	var body object
	body.read(value)
	endpoint, p := endpointOf(row.get(fieldURL), &body)
	if p != nil {
		return Request{}, p
	}
	var r Request
	if endpoint == Responses {
		r, p = d.responsesRow(value)
	} else {
		r, p = d.body(&body, endpoint, fieldsOf(endpoint), unsupportedField)
	}
	if p != nil {
		return Request{}, p.under(fieldBody.String())
	}
	return r, nil
}

// shortRow decodes a row with the request fields at its top level. It is a chat request, with prompt or messages;
// system is an alternative to a system message.
func (d *decoder) shortRow(row *object) (Request, *rowError) {
	if !row.present.has(fieldPrompt) && !row.present.has(fieldMessages) {
		return Request{}, rowErrorf(CodeMissing, fieldBody.String(), "is missing: a row needs a body, a prompt or messages%s", row.insteadOfPrompt())
	}
	if d.defaults.OwnBodies && row.present.has(fieldOptions) {
		return Request{}, rowErrorf(CodeUnsupported, fieldOptions.String(), "holds options of Ollama, which this server does not know; put the options of the server into a body")
	}
	r, p := d.body(row, Chat, shortFields, shortAdvice)
	if p != nil {
		return Request{}, p
	}
	return r, nil
}

// endpointOf returns the endpoint in the row's url. Without url, the fields of the body decide.
func endpointOf(value []byte, body *object) (Endpoint, *rowError) {
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
		if strings.HasPrefix(string(endpoint), "/") && !strings.HasPrefix(string(endpoint), "/v1/") { // as Azure writes it
			endpoint = "/v1" + endpoint
		}
	}
	path := fieldBody.String() + "."
	switch {
	case endpoint != Chat && endpoint != Completions && endpoint != Embeddings && endpoint != Responses:
		return "", rowErrorf(CodeURLMismatch, fieldURL.String(), "is %s; it must be %q, %q, %q or %q", quote(unquote(value)), Chat, Completions, Embeddings, Responses)
	case endpoint == Chat && !hasMessages:
		return "", rowErrorf(CodeMissing, path+fieldMessages.String(), "is missing; %s needs it%s", Chat, body.has())
	case endpoint == Completions && !hasPrompt:
		return "", rowErrorf(CodeMissing, path+fieldPrompt.String(), "is missing; %s needs it%s", Completions, body.has())
	case (endpoint == Embeddings || endpoint == Responses) && !hasInput:
		return "", rowErrorf(CodeMissing, path+fieldInput.String(), "is missing; %s needs it%s", endpoint, body.has())
	}
	return endpoint, nil
}

// fieldsOf returns the fields that a body may have.
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

// body decodes the fields of the request. advice is for a field that is not allowed.
func (d *decoder) body(o *object, endpoint Endpoint, allowed fieldSet, advice string) (r Request, p *rowError) {
	if p = o.check(allowed, advice); p != nil {
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

// decodeChat reads the fields that only a row of /v1/chat/completions has.
func (d *decoder) decodeChat(o *object, r *Request) (p *rowError) {
	if r.Logprobs, p = decodeLogprobs(o); p != nil {
		return p
	}
	if r.Thinking, p = decodeEffort(o); p != nil {
		return p
	}
	if r.Structure, p = d.decodeResponseFormat(o); p != nil {
		return p
	}
	if r.Tools, p = d.decodeTools(o); p != nil {
		return p
	}
	d.complete(r, o.get(fieldResponseFormat) != nil)
	return nil
}

// addSystem inserts the run's system message into a conversation without one.
func (d *decoder) addSystem(r *Request) {
	isSystem := func(m Message) bool { return m.Role == roleSystem }
	if d.defaults.System != "" && !slices.ContainsFunc(r.Messages, isSystem) {
		r.Messages = slices.Insert(r.Messages, 0, Message{Role: roleSystem, Content: d.defaults.System})
	}
}

// sampling returns a deep copy of the default sampling options.
func (d *decoder) sampling() Sampling {
	s := d.defaults.Sampling
	s.Stop = slices.Clone(s.Stop)
	if s.Seed != nil {
		s.Seed = new(*s.Seed)
	}
	return s
}

// model checks the model that a row names. It returns the run's own name, so that different spellings give the same
// key.
func (d *decoder) model(value []byte) (string, *rowError) {
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
	return "", rowErrorf(CodeModelMismatch, "", "is %s, but this run's model is %s; remove the field, or use --model %s",
		quote(name), quote(d.defaults.Model), quote(name))
}

// checkUTF8 returns an error if the line is not UTF-8. encoding/json would silently replace the wrong bytes.
func checkUTF8(line []byte, code string) *rowError {
	if wrong := notUTF8(line); wrong != "" {
		return rowErrorf(code, "", "the line %s", wrong)
	}
	return nil
}

// notUTF8 says where text is not UTF-8; it returns "" for valid UTF-8.
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
	return fmt.Sprintf("is not UTF-8: byte %d, 0x%02x, is invalid%s", at+1, line[at], hint)
}

// syntaxError says where line is not JSON.
func syntaxError(line []byte) *rowError {
	reason := "it cannot be decoded"
	var value any
	err := json.Unmarshal(line, &value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		reason = fmt.Sprintf("%s at column %d", syntax, syntax.Offset)
	}
	return rowErrorf(CodeInvalidJSON, "", "the line is not JSON: %s%s", reason, listHint(line))
}

// listHint returns advice for the two common kinds of JSON file that are not JSONL.
func listHint(line []byte) string {
	switch trimmed := bytes.Trim(line, blanks); {
	case trimmed[0] == '[':
		return "; to convert a JSON list to rows, run jq -c '.[]' on the file"
	case len(trimmed) == 1 && trimmed[0] == '{':
		return "; an object must be on one line, run jq -c . on the file"
	}
	return ""
}
