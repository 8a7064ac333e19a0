package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// bill is a software bill of materials in the form of CycloneDX 1.5 (cyclonedx.org/docs/1.5/json), with the fields that a
// release fills.
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type     string          `json:"type"`
	Ref      string          `json:"bom-ref"`
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	Hashes   []hash          `json:"hashes,omitempty"`
	Licences []licenceChoice `json:"licenses"`
	PURL     string          `json:"purl,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licenceChoice struct {
	Expression string `json:"expression"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// newBill describes an archive. SOURCE_DATE_EPOCH is its time, so the same archive has the same bill.
func newBill(version, archive string, modules []*module) (bill, error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return bill{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w; set it to the time of the commit, in seconds", err)
	}
	f, err := os.Open(archive)
	if err != nil {
		return bill{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return bill{}, err
	}
	whole := component{
		Type: "application", Ref: filepath.Base(archive), Name: "fluxworker", Version: version,
		Hashes:   []hash{{"SHA-256", fmt.Sprintf("%x", sum.Sum(nil))}},
		Licences: []licenceChoice{{"Apache-2.0"}},
	}
	b := bill{
		Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{Timestamp: time.Unix(seconds, 0).UTC().Format(time.RFC3339), Component: whole},
	}
	parts := dependency{Ref: whole.Ref}
	for _, m := range modules {
		purl := "pkg:golang/" + m.path + "@" + m.version
		b.Components = append(b.Components, component{
			Type: "library", Ref: purl, Name: m.path, Version: m.version, PURL: purl, Licences: []licenceChoice{{m.expression()}},
		})
		parts.DependsOn = append(parts.DependsOn, purl)
	}
	b.Dependencies = []dependency{parts}
	return b, nil
}
