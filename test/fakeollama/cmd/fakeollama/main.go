// Command fakeollama is the stand-in for "ollama serve" as a program of its own. See the package it calls.
package main

import (
	"os"

	"fluxworker/test/fakeollama"
)

func main() { os.Exit(fakeollama.Main()) }
