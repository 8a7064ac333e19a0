package main

import "github.com/spf13/pflag"

// originKey is the annotation of a flag that names its origin, if it is not the command line.
const originKey = "origin"

// setOrigin records the origin of the value of a flag.
func setOrigin(f *pflag.Flag, origin string) {
	if f.Annotations == nil {
		f.Annotations = make(map[string][]string)
	}
	f.Annotations[originKey] = []string{origin}
}

// originOf returns the origin of the value of a flag; empty for the default.
func originOf(f *pflag.Flag) string {
	switch {
	case !f.Changed:
		return ""
	case len(f.Annotations[originKey]) > 0:
		return f.Annotations[originKey][0]
	}
	return "--" + f.Name
}
