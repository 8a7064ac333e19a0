//go:build headers

// Package o pins the old-generation engine and the generator of its model. This file keeps the module that brings
// miniaudio.h in go.mod: Ollama's own module zip leaves that vendored header out.
package o

import _ "github.com/gen2brain/malgo"
