// Package result writes the output: it defines the schema of a line, the durable log of lines, its recovery after a
// kill, the lock on the output, and the small files beside it.
//
// Invariants:
//
//   - The result file is the truth. A row is done when its line is on disk. There is no database and no checkpoint, and
//     a restarted run uses nothing else.
//   - One goroutine writes complete lines in single Write calls. So a kill leaves complete lines and at most one
//     incomplete last line, which the next Open cuts.
//   - A line is durable only after the fsync of its batch. A power cut may corrupt everything later, even with zeros in
//     the middle of the file: Open moves invalid lines out of the file, and their rows run again.
//   - A row has one line in one of the two files. Lines leave a file only by an atomic rewrite of the file.
//   - Only one process writes to an output, across all nodes. Before each fsync the process checks that it still holds
//     the output. A process that takes over the output of another, which may be slow and not dead, replaces the files
//     by copies.
package result
