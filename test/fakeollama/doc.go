// Package fakeollama is a stand-in for "ollama serve" that needs no model and fails on demand. Tests run it as a program
// of its own, below the worker's guard, where a real server would be; benchmarks run it to see the worker's own cost.
//
//	usage: fakeollama [flags] serve
//
// It answers by the rule of the bigram model (see rule.go), so that a test knows the right answer to every prompt, and
// it records what it was asked, with which options and in which environment.
//
// Invariants:
//
//   - It listens on loopback only and ends by itself after --max-life, whatever happens to the test that started it.
//   - Whatever it puts on the wire is spelled out here and not taken from Ollama's Go types: a stand-in that shares its
//     types with the client proves nothing.
//   - Which requests fail depends on the flags and the requests alone, never on time or chance.
package fakeollama
