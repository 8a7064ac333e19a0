package modelcfg

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// catalogFS holds catalog/<family>/<size>.yaml and catalog/order, which lists the files in the order of the models.
//
//go:embed catalog
var catalogFS embed.FS

// Catalog lists the models that fluxworker knows by name. It is safe for concurrent use.
type Catalog struct {
	models []Model
}

// Embedded returns the catalog in the binary. An error is a defect of the binary.
func Embedded() (*Catalog, error) {
	order, err := catalogFS.ReadFile("catalog/order")
	if err != nil {
		return nil, fmt.Errorf("read embedded catalog: %w", err)
	}
	c := &Catalog{}
	for file := range strings.FieldsSeq(string(order)) {
		data, err := catalogFS.ReadFile("catalog/" + file)
		if err != nil {
			return nil, fmt.Errorf("read embedded catalog: %w", err)
		}
		doc, err := parse(file, data)
		if err != nil {
			return nil, fmt.Errorf("read embedded catalog: %w", err)
		}
		e := doc.entries[0]
		if err := validationError(append(e.problems, e.warnings...)); err != nil {
			return nil, fmt.Errorf("read embedded catalog: %w", err)
		}
		c.models = append(c.models, e.model)
	}
	return c, nil
}

// Models returns the models: related models together, small models first.
func (c *Catalog) Models() []Model { return slices.Clone(c.models) }

// Lookup returns the model with the given name, or else with the given Ollama tag.
func (c *Catalog) Lookup(name string) (Model, bool) {
	for _, m := range c.models {
		if m.Name == name {
			return m, true
		}
	}
	for _, m := range c.models {
		if name != "" && m.Tag() == name {
			return m, true
		}
	}
	return Model{}, false
}
