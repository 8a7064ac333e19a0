// Command mkmodel writes a model of real shape with random weights, for a machine with a GPU. No network is needed.
//
//	usage: mkmodel [-layers N] [-vocabulary N] [-header] 8b|hybrid|window FILE
package main

import (
	"flag"
	"fmt"
	"os"

	"fluxworker/test/gpu/synthetic"
)

func main() {
	layers := flag.Int("layers", 1<<20, "at most `N` layers")
	vocabulary := flag.Int("vocabulary", 1<<20, "at most `N` tokens, at least 512")
	header := flag.Bool("header", false, "write the metadata and the size alone, which is enough for fluxworker plan")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: mkmodel [-layers N] [-vocabulary N] [-header] 8b|hybrid|window FILE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || *layers < 1 || *vocabulary < 512 {
		flag.Usage()
		os.Exit(2)
	}
	shape, err := synthetic.ByName(flag.Arg(0))
	if err == nil {
		shape = shape.Reduced(*layers, *vocabulary)
		write := shape.Write
		if *header {
			write = shape.WriteHeader
		}
		err = write(flag.Arg(1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mkmodel:", err)
		os.Exit(1)
	}
}
