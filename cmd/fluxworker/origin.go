package main

import "github.com/spf13/pflag"

// originKey is where a flag keeps what has set it, other than the command line.
const originKey = "origin"

// setOrigin notes what has set a flag.
func setOrigin(f *pflag.Flag, origin string) {
	if f.Annotations == nil {
		f.Annotations = make(map[string][]string)
	}
	f.Annotations[originKey] = []string{origin}
}

// originOf tells what has set a flag; empty where nothing has.
func originOf(f *pflag.Flag) string {
	switch {
	case !f.Changed:
		return ""
	case len(f.Annotations[originKey]) > 0:
		return f.Annotations[originKey][0]
	}
	return "--" + f.Name
}
