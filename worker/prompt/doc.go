// Package prompt turns the input into rows: it opens the file, splits it into lines or records, or lists the folder, makes
// of each the request that is to be asked, and gives it an identity that holds across runs.
//
// What the rest of the program builds on:
//
//   - Every line that is neither blank nor a comment is exactly one Row, in the order of the input; so is every record of a
//     table behind its header, and every file of a folder, in the order of the paths' bytes. A row that cannot be asked
//     carries a Reject and is handed out like any other; only I/O ends the reading early.
//   - A quote that goes wrong in a table costs the line on which it stands, and no other.
//   - A Row shares no memory with the Reader or with another row. A Reader itself is for one goroutine.
//   - No two rows of one input have the same name in their Key, and equal inputs give equal keys, whichever line a row is
//     on, however the lines end, however cells are quoted and however the file is compressed. (Names are 64-bit hashes: among ten million rows the
//     chance that two of them collide by accident is about three in a million.)
//   - No more than one row is in memory at a time, and of the rows before it some sixteen bytes each; of a folder also its
//     files' paths. (While the end of a quote is looked for, it may be 64 MiB.)
//   - A row's field is used, refused by name, or listed in ignored as one that cannot change the answer. None is dropped
//     silently.
//   - Nothing is fetched for a row, and no file is read but those of the folder that is the input, and images below the one
//     that was allowed. Their content is a part of the request, and so of the key. A file that the disk does not give ends
//     the reading: it is not the row's fault.
//   - A Reject's message never quotes a prompt, a message's content or a whole row, so that it can be logged.
package prompt
