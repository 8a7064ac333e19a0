// Package unpack opens a file of text whatever the file is compressed with, and names the kind of a file that is no text.
//
// Guarantees to the rest of the program:
//
//   - The first bytes decide, not the name. gzip, Zstandard, xz, bzip2, and zip with one file are read as what they hold.
//   - A file that is no UTF-8 text by its first bytes (a workbook, a tar archive, a database, UTF-16 …) ends in a *KindError
//     before a byte of it is returned.
//   - Data that is cut off or damaged ends in an error, and never in a shorter text.
//   - No read waits for more of a slow pipe than its first line.
package unpack
