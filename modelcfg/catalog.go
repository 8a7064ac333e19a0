package modelcfg

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

// catalogFS holds
//   - catalog/<family>/<size>.yaml and catalog/order, which lists the files in the order of the models;
//   - catalog/further/<family>.yaml, each with a map of models;
//   - catalog/llmflux.yaml, a map of LLMFlux 2's names.
//
//go:embed catalog
var catalogFS embed.FS

// Catalog lists the models that fluxworker knows by name. It is safe for concurrent use.
type Catalog struct {
	models, further, aliases []Model
}

// Embedded returns the catalog in the binary. An error is a defect of the binary.
func Embedded() (*Catalog, error) {
	c := &Catalog{}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("read embedded catalog: %w", err)
	}
	return c, nil
}

func (c *Catalog) read() error {
	order, err := catalogFS.ReadFile("catalog/order")
	if err != nil {
		return err
	}
	for file := range strings.FieldsSeq(string(order)) {
		if err := appendModels(&c.models, file); err != nil {
			return err
		}
	}
	families, err := catalogFS.ReadDir("catalog/further")
	if err != nil {
		return err
	}
	for _, f := range families {
		if err := appendModels(&c.further, path.Join("further", f.Name())); err != nil {
			return err
		}
	}
	if err := appendModels(&c.aliases, "llmflux.yaml"); err != nil {
		return err
	}
	for i, m := range c.aliases {
		if known, ok := c.byTag(m.Tag()); ok {
			c.aliases[i].Architecture, c.aliases[i].Info = known.Architecture, known.Info
		}
	}
	return nil
}

// appendModels appends the models of a file of the catalog.
func appendModels(models *[]Model, file string) error {
	data, err := catalogFS.ReadFile("catalog/" + file)
	if err != nil {
		return err
	}
	doc, err := parse(file, data)
	if err != nil {
		return err
	}
	problems := append(doc.problems, doc.warnings...)
	for _, e := range doc.entries {
		problems = append(append(problems, e.problems...), e.warnings...)
		*models = append(*models, e.model)
	}
	return validationError(problems)
}

// Models returns the models of LLMFlux's list: related models together, small models first.
func (c *Catalog) Models() []Model { return slices.Clone(c.models) }

// Further returns the other models of Ollama's library whose size is known before a pull: related models together,
// small models first.
func (c *Catalog) Further() []Model { return slices.Clone(c.further) }

// Aliases returns the names of LLMFlux 2 for models of Ollama's library, with the architecture if the catalog has it.
func (c *Catalog) Aliases() []Model { return slices.Clone(c.aliases) }

// Lookup returns the model with the given name, or else with the given Ollama tag.
func (c *Catalog) Lookup(name string) (Model, bool) {
	for _, models := range [][]Model{c.models, c.further, c.aliases} {
		for _, m := range models {
			if m.Name == name {
				return m, true
			}
		}
	}
	return c.byTag(name)
}

// byTag returns the model with the given Ollama tag. An alias is not the model itself.
func (c *Catalog) byTag(tag string) (Model, bool) {
	for _, models := range [][]Model{c.models, c.further} {
		for _, m := range models {
			if tag != "" && m.Tag() == tag {
				return m, true
			}
		}
	}
	return Model{}, false
}
