// Package engines shows on real Ollama servers of both generations, and models whose right answers are known, what the program
// claims. "make engine" builds the servers.
package engines
