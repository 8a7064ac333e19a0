package main

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"slices"
	"strings"
)

// standardLibrary is the path under which Go's own packages are listed.
const standardLibrary = "std"

// module is one module that is linked into a program of the release.
type module struct {
	path, version string
	licences      []licence
}

// linked returns the modules of the programs, sorted by path, as the linker noted them in the programs. The standard library
// is among them, fluxworker itself is not.
func linked(programs []string) ([]*module, error) {
	type key struct{ path, version string }
	found := make(map[key]bool)
	for _, path := range programs {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the build information of %s: %w", path, err)
		}
		found[key{standardLibrary, strings.TrimPrefix(info.GoVersion, "go")}] = true
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			found[key{m.Path, m.Version}] = true
		}
	}
	var modules []*module
	for m := range found {
		modules = append(modules, &module{path: m.path, version: m.version})
	}
	slices.SortFunc(modules, func(a, b *module) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.version, b.version))
	})
	return modules, nil
}
