// Command glibcfloor fails if a program needs a newer glibc than allowed: "glibcfloor 2.17 gpu/probe.bin". The build
// runs it on the probe: the required version depends on the glibc of the build machine, and cluster nodes have old
// versions.
package main

import (
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: glibcfloor VERSION PROGRAM")
		os.Exit(64)
	}
	floor, err := check(os.Args[2], os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "glibcfloor:", err)
		os.Exit(1)
	}
	fmt.Printf("%s needs glibc %s\n", os.Args[2], floor)
}

// libraries are the libraries in every glibc.
var libraries = []string{"libc.so.6", "libdl.so.2", "libpthread.so.0"}

// check returns the lowest version of glibc on which a program starts. It returns an error if that version is above
// highest or the program needs anything else.
func check(path, highest string) (string, error) {
	maximum, err := parse(highest)
	if err != nil {
		return "", err
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	for _, library := range needed {
		if !slices.Contains(libraries, library) {
			return "", fmt.Errorf("%s: needs %s, which not every machine has", path, library)
		}
	}
	// A version need without a symbol counts, too: the linker adds some for features of the dynamic linker.
	needs, err := f.DynamicVersionNeeds()
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	var floor version
	for _, need := range needs {
		for _, dep := range need.Needs {
			v, err := parse(strings.TrimPrefix(dep.Dep, "GLIBC_"))
			if err != nil || slices.Compare(v, maximum) > 0 {
				return "", fmt.Errorf("%s: needs %s, above %s%s", path, dep.Dep, highest, users(f, dep.Dep))
			}
			if slices.Compare(v, floor) > 0 {
				floor = v
			}
		}
	}
	if floor == nil {
		return "", fmt.Errorf("%s: names no glibc version: is it dynamic, and linked against glibc?", path)
	}
	return floor.String(), nil
}

// users lists the functions that need a version.
func users(f *elf.File, dep string) string {
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return ""
	}
	var names []string
	for _, s := range symbols {
		if s.Version == dep {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ") + " (wrap it in gpu/nvmlprobe/oldglibc.c)"
}

type version []int

func parse(text string) (version, error) {
	var v version
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("%q is no version", text)
		}
		v = append(v, n)
	}
	return v, nil
}

func (v version) String() string {
	parts := make([]string, len(v))
	for i, n := range v {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}
