package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			fmt.Print(versionLine())
			return nil
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("fluxworker %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// release is the version and the commit, such as 0.1.0+76f9509. The Makefile sets it; a plain go build leaves it empty.
var release string

// version returns the release, else the version of the module, in which the Go tool notes the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
