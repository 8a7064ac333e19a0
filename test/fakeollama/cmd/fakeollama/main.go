// Command fakeollama runs the stand-in for "ollama serve". See package fakeollama.
package main

import (
	"os"

	"fluxworker/test/fakeollama"
)

func main() { os.Exit(fakeollama.Main()) }
