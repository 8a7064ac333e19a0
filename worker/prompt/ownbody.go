package prompt

import (
	"encoding/json"
	"path"
	"strings"

	fast "fluxworker/worker/json"
)

// Unset is the value of MaxTokens, Temperature, TopP and TopK in the Defaults of a run whose user leaves the option to a server of
// OpenAI's API.
const Unset = -1

// ownBody decodes a row whose body goes to a server of OpenAI's API as the row has it: with fields that only this server knows.
// What the user's settings say is filled in where the body does not say it.
func (d *decoder) ownBody(url, body []byte) (r Request, p *rowError) {
	m, p := membersOf(body)
	if p != nil {
		return r, p.under(fieldBody.String())
	}
	if r.Endpoint, p = pathOf(url, m); p != nil {
		return r, p
	}
	if p := d.fillIn(&r, &m); p != nil {
		return r, p.under(fieldBody.String())
	}
	if r.Body, p = m.text(); p == nil {
		r.readSampling()
	}
	return r, p
}

// pathOf returns the path in the row's url. Without url, the fields of the body decide.
func pathOf(url []byte, m members) (Endpoint, *rowError) {
	field := fieldURL.String()
	if url == nil {
		switch {
		case m.has("messages"):
			return Chat, nil
		case m.has("prompt"):
			return Completions, nil
		case m.has("input"):
			return Embeddings, nil
		}
		return "", rowErrorf(CodeMissing, field, "is missing, and the body has no messages, prompt or input that would tell it; give the path, such as %q", Chat)
	}
	if url[0] != '"' {
		return "", wrongType(url, true, "a string").under(field)
	}
	switch to := unquote(url); {
	case to == "/chat/completions", to == "/completions", to == "/embeddings", to == "/responses": // as Azure writes it
		return Endpoint("/v1" + to), nil
	case strings.HasPrefix(to, "/v1/") && path.Clean(to) == to && !strings.ContainsFunc(to, notInPath):
		return Endpoint(to), nil
	default:
		return "", rowErrorf(CodeURLMismatch, field, "is %s; it must be the path of an endpoint, such as %q or \"/v1/score\"", quote(to), Chat)
	}
}

// notInPath reports whether the path of an endpoint cannot have a character; the path has no escapes.
func notInPath(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_-.", r))
}

// fillIn adds what the run's settings say to a body. A body never asks for a stream or a later answer: its
// line needs the whole answer.
func (d *decoder) fillIn(r *Request, m *members) *rowError {
	switch model := m.get("model"); {
	case model == nil:
		r.Model = d.defaults.Model
		m.set("model", encoded(r.Model))
	case model[0] != '"':
		return wrongType(model, true, "a string").under("model")
	default:
		r.Model = unquote(model)
	}
	if stream := m.get("stream"); stream != nil && stream[0] != 'f' { // servers take 1 and "true" for true
		m.remove("stream")
		m.remove("stream_options")
	}
	if later := m.get("background"); r.Endpoint == Responses && later != nil && later[0] != 'f' {
		m.remove("background")
	}
	if r.Endpoint != Chat && r.Endpoint != Completions && r.Endpoint != Responses {
		return nil
	}
	d.fillInSampling(r.Endpoint, m)
	switch {
	case r.Endpoint == Responses && d.defaults.System != "" && !m.has("instructions"):
		m.set("instructions", encoded(d.defaults.System))
	case r.Endpoint == Chat:
		return d.fillInChat(r, m)
	}
	return nil
}

// fillInSampling adds the sampling options that the user has set.
func (d *decoder) fillInSampling(to Endpoint, m *members) {
	s := &d.defaults.Sampling
	add := func(set bool, name string, value any, others ...string) {
		if set && !m.has(append(others, name)...) {
			m.set(name, encoded(value))
		}
	}
	add(s.Temperature != Unset, "temperature", s.Temperature)
	add(s.TopP != Unset, "top_p", s.TopP)
	if to == Responses { // its API has no other option
		add(s.MaxTokens != Unset, "max_output_tokens", s.MaxTokens)
		return
	}
	add(s.MaxTokens != Unset, "max_tokens", s.MaxTokens, "max_completion_tokens")
	add(s.TopK != Unset, "top_k", s.TopK)
	add(s.Seed != nil, "seed", s.Seed)
	add(len(s.Stop) > 0, "stop", s.Stop)
}

// fillInChat adds the system message, the examples and the form of the answer to a chat.
func (d *decoder) fillInChat(r *Request, m *members) *rowError {
	if d.defaults.System != "" || len(d.defaults.Examples) > 0 {
		if messages := m.get("messages"); messages != nil && messages[0] == '[' { // else the server refuses the row
			m.set("messages", d.withDefaults(messages))
		}
	}
	if form := d.defaults.Structure; form != nil && !m.has("response_format", "tools") {
		r.Structure = new(*form)
		m.set("response_format", encoded(formatOf(form)))
	}
	return nil
}

// withDefaults returns a list of messages with the system message of the run, if the list has none, and with the examples behind
// the system messages at its start.
func (d *decoder) withDefaults(list []byte) []byte {
	var before, behind [][]byte
	hasSystem := false
	w := walk(list)
	for value, ok := w.element(); ok; value, ok = w.element() {
		isSystem := value[0] == '{' && isSystemMessage(value)
		hasSystem = hasSystem || isSystem
		if isSystem && len(behind) == 0 {
			before = append(before, value)
		} else {
			behind = append(behind, value)
		}
	}
	if d.defaults.System != "" && !hasSystem {
		before = append(before, encoded(bodyMessage{Role: roleSystem, Content: d.defaults.System}))
	}
	for i := range d.defaults.Examples {
		before = append(before, encoded(bodyMessageOf(&d.defaults.Examples[i])))
	}
	out := []byte{'['}
	for i, value := range append(before, behind...) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, value...)
	}
	return append(out, ']')
}

func isSystemMessage(message []byte) (is bool) {
	EachMember(message, func(name, value []byte) {
		if unquote(name) == "role" && value[0] == '"' {
			role := unquote(value)
			is = is || role == roleSystem || role == "developer"
		}
	})
	return is
}

// readSampling reads from the body what fluxworker itself wants to know. The server judges values that are wrong.
func (r *Request) readSampling() {
	r.Sampling.Temperature = Unset
	var o object
	o.read(r.Body)
	decodeMaxTokens(&o, &r.Sampling.MaxTokens)
	decodeCommon(&o, &r.Sampling)
}

// encoded returns the JSON of a value of this package, which can always be encoded.
func encoded(value any) json.RawMessage { return encodedInto(nil, value) }

func encodedInto(buffer []byte, value any) json.RawMessage {
	text, err := fast.Append(buffer, value)
	if err != nil {
		panic("encode a part of a request: " + err.Error())
	}
	return text
}
