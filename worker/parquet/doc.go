// Package parquet reads the rows of Parquet files, and writes tables as Parquet.
//
// Guarantees to the rest of the program:
//
//   - A file, or several files with the same columns, are one list of rows, in the order of the files.
//   - Memory does not grow with the number of rows: the reader holds pages, the writer one row group.
//   - The JSON of a row depends on its values alone, and not on row groups, pages or compression: it decides the row's key.
//   - A column that is copied to another table keeps its type and its values.
//   - A damaged file ends in an error that names the file, also where the library panics.
package parquet
