// Package fakeollama is a stand-in for "ollama serve" that needs no model and fails on demand. Tests run it as a
// program below the worker's guard, in place of a real server; benchmarks run it to measure the worker's own cost.
//
//	usage: fakeollama [flags] serve
//
// It answers by the rule of the bigram model (see rule.go), so a test knows the right answer to every prompt. It
// records its requests, their options and its environment.
//
// Invariants:
//
//   - It listens on loopback only and ends by itself after --max-life, regardless of the test that started it.
//   - Its wire format is defined in this package and not taken from Ollama's Go types: a stand-in that shares its types
//     with the client proves nothing.
//   - The flags and the requests alone decide which requests fail, never time or chance.
package fakeollama
