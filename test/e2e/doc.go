// Package e2e runs the built binary against real Ollama servers of both generations and a model whose right answers are
// known. "make engine" builds the servers.
package e2e
