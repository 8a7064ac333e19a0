// Package prompt reads the input and converts it to rows: it opens the file or folder, splits it into lines, records or
// files, decodes each to a request, and gives each row an identity that is stable across runs.
//
// Guarantees to the rest of the program:
//
//   - Each line that is neither blank nor a comment is exactly one Row, in the order of the input. So is each record of
//     a table after the header, and each file of a folder, in the byte order of the paths. A row that cannot be sent
//     has a Reject and is returned like any other row; only an I/O error ends the reading early.
//   - A misplaced quote in a table spoils its own line only.
//   - A Row shares no memory with the Reader or with other rows. A Reader is not safe for concurrent use.
//   - No two rows of one input have the same name in their Key, and equal inputs give equal keys. Line numbers, line
//     ends, the quoting of cells and the compression of the file do not change a key. (Names are 64-bit hashes: the
//     probability of an accidental collision among ten million rows is about three in a million.)
//   - The Reader keeps one row in memory, about sixteen bytes per earlier row, and for a folder the paths of its files.
//     (While it searches for the end of a quote, it may hold 64 MiB.)
//   - A field of a row is used, or rejected by its name, or listed in ignored because it cannot change the answer. No
//     field is dropped silently.
//   - The package fetches nothing from the network for a row. It reads only the files of an input folder, and images
//     below the allowed image folder. The content of these files is part of the request and of the key. A file that the
//     disk cannot deliver ends the reading, because the row is not at fault.
//   - The message of a Reject never quotes a prompt, the content of a message or a whole row, so it may be logged.
package prompt
