// Package worker runs one run from top to bottom: Run opens the output and reads which rows are done, reads the input, starts
// the servers with the first row that needs an answer, keeps their slots full, writes each answer at once, and sums up. The
// parts of a run are packages of their own below this package; docs/architecture.md shows them.
//
// Invariants:
//
//   - A row's way is prompt.Reader, intake.go, dispatch.Queue, a lane, sink.go, result.Log. The rows in the queue and in
//     flight bound the memory.
//   - A failed row is a line. An error means that the output, the servers or the input are lost.
//   - A server's failure is never a row's error: such a row stays undone, and a later run answers it.
//   - A run without undone rows ends before it starts a server.
package worker
