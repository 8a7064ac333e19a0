package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licence is one file of a module with the terms of its use.
type licence struct {
	path string // below the module's folder
	text []byte
	ids  []string // SPDX identifiers; empty for a notice
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// programs are the packages of the programs in a release.
var programs = []string{"fluxworker/cmd/fluxworker", "fluxworker/gpu/nvmlprobe"}

// findLicences reads the licences of the modules from their sources. They stand in the root of a module, or beside packages
// that the module took over from others. A module without a known licence is an error: nobody may ship it.
func findLicences(modules []*module) error {
	root, err := output("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	folders, err := linkedFolders()
	if err != nil {
		return err
	}
	folders[standardLibrary] = []string{strings.TrimSpace(string(root))}
	for _, m := range modules {
		if m.licences, err = readLicences(folders[m.path]); err != nil {
			return fmt.Errorf("module %s: %w", m.path, err)
		}
		if m.expression() == "" {
			return fmt.Errorf("module %s %s: no file with a known licence in %q; look there, and teach packaging/inventory its words",
				m.path, m.version, folders[m.path])
		}
	}
	return nil
}

// linkedFolders returns the folders of each module that may have a licence of a linked package: those of the packages and
// those above them, the root of the module first.
func linkedFolders() (map[string][]string, error) {
	const format = "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}\t{{.Dir}}"
	out, err := output("go", append([]string{"list", "-deps", "-f", format}, programs...)...)
	if err != nil {
		return nil, err
	}
	folders := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 { // a package of the standard library
			continue
		}
		name, root, dir := f[0], f[1], f[2]
		for ; len(dir) >= len(root); dir = filepath.Dir(dir) {
			folders[name] = append(folders[name], dir)
		}
	}
	for name, dirs := range folders {
		slices.Sort(dirs)
		folders[name] = slices.Compact(dirs)
	}
	return folders, nil
}

func readLicences(folders []string) ([]licence, error) {
	var found []licence
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() || !licenceFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			name, err := filepath.Rel(folders[0], filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			found = append(found, licence{path: name, text: text, ids: identify(text)})
		}
	}
	return found, nil
}

// identify names the licences whose words are in a text.
func identify(text []byte) []string {
	words := string(bytes.Join(bytes.Fields(text), []byte(" ")))
	var ids []string
	for id, sentence := range map[string]string{
		"Apache-2.0": "Apache License",
		"ISC":        "Permission to use, copy, modify, and",
		"MIT":        "Permission is hereby granted, free of charge, to any person obtaining a copy",
	} {
		if strings.Contains(words, sentence) {
			ids = append(ids, id)
		}
	}
	if strings.Contains(words, "Redistribution and use in source and binary forms") {
		if strings.Contains(words, "endorse or promote") {
			ids = append(ids, "BSD-3-Clause")
		} else {
			ids = append(ids, "BSD-2-Clause")
		}
	}
	slices.Sort(ids)
	return ids
}

// expression returns the SPDX expression of a module's licences; empty if none is known.
func (m *module) expression() string {
	var ids []string
	for _, l := range m.licences {
		ids = append(ids, l.ids...)
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " AND ")
}

// licenceText returns the licences of all modules, each under its name.
func licenceText(modules []*module) []byte {
	var text bytes.Buffer
	text.WriteString("fluxworker contains the modules below. Each part ends with the licence of its module.\n")
	for _, m := range modules {
		fmt.Fprintf(&text, "\n%s\n%s %s (%s)\n", strings.Repeat("=", 100), m.path, m.version, m.expression())
		for _, l := range m.licences {
			fmt.Fprintf(&text, "\n--- %s\n\n%s\n", l.path, bytes.TrimSpace(l.text))
		}
	}
	return text.Bytes()
}

// output runs a program and returns its standard output.
func output(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(problem.Bytes()))
	}
	return out, nil
}
