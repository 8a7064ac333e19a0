package ollama

import (
	"fmt"
	"path/filepath"

	"github.com/ollama/ollama/template"
)

// plainTemplate passes the messages to the model without a chat format.
const plainTemplate = "{{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}"

// For returns a copy of the file for a server of the given version, and a warning if the model will get messages in
// another form than in its training.
//
// The new generation applies the template in the file. The old generation has its own templates; For chooses the one
// that belongs to the file's template, as "ollama create" does. A model that only embeds gets no messages and needs no
// template.
func (f File) For(version string) (_ *File, warning string) {
	chat := f.model.ChatTemplate()
	switch {
	case f.model.Has("pooling_type"): // Ollama, too, recognises an embedding model by this key
		return &f, ""
	case chat == "":
		f.template = plainTemplate
		return &f, fmt.Sprintf("%s has no chat template (tokenizer.chat_template): the model gets messages as they are, without roles", filepath.Base(f.Path))
	case !OldGeneration(version):
		return &f, ""
	}
	known, err := template.Named(chat)
	if err != nil {
		f.template = plainTemplate
		return &f, fmt.Sprintf("Ollama %s knows no template like that of %s: the model gets messages as they are, without roles; Ollama 0.30 and later apply the file's own, or make a model with a TEMPLATE (ollama create)",
			version, filepath.Base(f.Path))
	}
	f.template = string(known.Bytes)
	if known.Parameters != nil {
		f.stop = known.Parameters.Stop
	}
	return &f, ""
}
