package prompt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fluxworker/worker/parquet"
)

// IsPattern reports whether a path is a pattern of several Parquet files, as data/train-*.parquet, and no file itself.
func IsPattern(path string) bool {
	_, err := os.Lstat(path)
	return strings.ContainsAny(path, "*?[") && errors.Is(err, fs.ErrNotExist)
}

// isParquet reports whether an open file is a Parquet file. A file with the name of a Parquet file and other content gives an error:
// its lines are no prompts.
func isParquet(file *os.File, path string) (bool, error) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, nil
	}
	start := make([]byte, len(parquet.Magic))
	n, err := file.ReadAt(start, 0)
	switch named := strings.EqualFold(filepath.Ext(path), parquetEnding); {
	case err != nil && err != io.EOF:
		return false, err
	case string(start[:n]) == parquet.Magic:
		return true, nil
	case named && n == 0:
		return false, errors.New("the file is empty, and a Parquet file is not")
	}
	return false, nil
}

const parquetEnding = ".parquet"

// partsOf returns the files of a pattern, in the order of their names.
func partsOf(pattern string) ([]string, error) {
	if !strings.EqualFold(filepath.Ext(pattern), parquetEnding) {
		return nil, errors.New("a pattern names Parquet files, as in data/train-*.parquet; put other files together first, for example with cat")
	}
	paths, err := filepath.Glob(pattern) // sorted
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no file has a name like this: %w", fs.ErrNotExist)
	}
	return paths, nil
}

// newParquetSource opens Parquet files as one input. folder is the folder that they are in, or nil.
func newParquetSource(path string, parts []string, f *folder) (*Source, error) {
	table, err := parquet.Open(parts)
	if err != nil {
		return nil, err
	}
	s := &Source{path: path, folder: f, table: table, parts: parts, size: table.Rows()}
	if f == nil && len(parts) == 1 && parts[0] == path {
		if info, err := os.Stat(path); err == nil {
			s.print = Fingerprint{Bytes: info.Size(), Modified: info.ModTime()}
		}
		return s, nil
	}
	s.print.Files = int64(len(parts))
	for _, part := range parts {
		info, err := os.Stat(part)
		if err != nil {
			continue // reading the file will report the error
		}
		s.print.Bytes += info.Size()
		if info.ModTime().After(s.print.Modified) {
			s.print.Modified = info.ModTime()
		}
	}
	return s, nil
}
