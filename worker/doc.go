// Package worker is one run from start to end: it opens the output and learns what is done, reads the input, starts the
// server when the first row asks for it, keeps the server's slots full, writes each answer as it comes, and sums up.
//
// Invariants:
//
//   - A row's way is prompt.Reader, the fan-out, ollama.Client, result.Log; memory is bounded by what is in flight.
//   - A failed row is a line, not an error. An error means that the output, the server or the input is lost.
//   - A server's failure is never a row's: such a row stays undone and a later run answers it.
//   - A run with nothing left to do ends before it starts a server.
package worker
