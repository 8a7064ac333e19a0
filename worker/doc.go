// Package worker tells one run from top to bottom: Run opens the output and learns what is done, reads the input, starts the
// servers when the first row asks for them, keeps their slots full, writes each answer as it comes, and sums up. The parts of a
// run are packages of their own below this package; docs/architecture.md shows them.
//
// Invariants:
//
//   - A row's way is prompt.Reader, intake.go, dispatch.Queue, a lane, sink.go, result.Log. Memory is bounded by the rows that
//     are parsed ahead and those in flight.
//   - A failed row is a line. An error means that the output, the servers or the input are lost.
//   - A server's failure is never a row's: such a row stays undone and a later run answers it.
//   - A run with nothing left to do ends before it starts a server.
package worker
