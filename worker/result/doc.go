// Package result holds the rows out: the line schema, the durable log that takes the lines, its recovery after a kill,
// the lock on the output, and the small files beside it.
//
// Invariants:
//
//   - The result file is the truth. A row is done when its line is on disk; there is no database and no checkpoint, and
//     nothing else is asked when a run is started again.
//   - One goroutine writes, one Write call for each line with its newline, so a kill leaves whole lines and at most one
//     torn tail, which the next Open cuts.
//   - A line counts as durable after the fsync of its group, and only then. A power cut may leave anything of what came
//     later, zeros in the middle included: Open moves what is no line out of the file, and its rows are asked again.
//   - A row has one line in one of the two files. Lines leave a file only by a rewrite that takes its place whole.
//   - One process writes to an output, on whichever node. Before each fsync it looks whether it is still that process. One
//     that takes the output over from another, which may be held up and not dead, puts copies in the place of the files.
package result
