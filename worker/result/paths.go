package result

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Paths are the paths of one run's output.
type Paths struct {
	Results string // file of answered rows: the user's file, or the lines beside the user's document
	Errors  string // file of rows that failed permanently
	Run     string // folder with manifest, summary, lock and server logs
	// Document is the user's file if its name is that of a document. The document is written when all rows have a line.
	// It is empty otherwise, and for a shard.
	Document string
	// Mode is the mode of new files before the umask; 0 means 0600. Folders get search permission for everyone who may
	// read.
	Mode fs.FileMode
}

// Shard is one of Count parts of an output. Index counts from 0. A Count below 1 means the whole output.
type Shard struct {
	Index, Count int
	Block        int // see prompt.Shards; the names of files do not have it, so Parts leaves it 0
}

// String returns the shard as it appears in file names.
func (s Shard) String() string { return fmt.Sprintf("%04d-of-%04d", s.Index, s.Count) }

// maxLinks is the maximum number of consecutive links: the kernel's own limit.
const maxLinks = 40

// PathsOf returns the paths for an output's name: results.jsonl gives results-errors.jsonl and results.run, and for a
// shard results.0003-of-0016.jsonl, results-errors.0003-of-0016.jsonl and results.run/0003-of-0016. The lines of a
// document (results.json, results.csv) are in a file beside it that ends in .jsonl. It returns an error if the name is
// unsuitable.
//
// It follows links: two names of one file are one output, with one folder and one lock.
func PathsOf(output string, shard Shard) (Paths, error) {
	for range maxLinks { // also if the file does not exist yet
		to, err := os.Readlink(output)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(output), to)
		}
		output = to
	}
	if real, err := filepath.EvalSymlinks(output); err == nil && real != filepath.Clean(output) {
		output = real
	}
	if info, err := os.Stat(output); err == nil && !info.Mode().IsRegular() {
		return Paths{}, fmt.Errorf("output %s is not a regular file: results are appended to a file, and a later run continues it; use a name like results.jsonl", output)
	}
	ext := extOf(output)
	switch base := filepath.Base(output); {
	case strings.HasSuffix(output, string(filepath.Separator)), strings.HasPrefix(base, "-"), base == ext:
		return Paths{}, fmt.Errorf("output %q is not a file name; use a name like results.jsonl", output)
	}
	switch strings.ToLower(ext) {
	case ".run":
		return Paths{}, fmt.Errorf("output %s: run folders have this name; name the file %s",
			output, strings.TrimSuffix(output, ext)+".jsonl")
	case ".gz", ".zst":
		return Paths{}, fmt.Errorf("output %s: results are written uncompressed, so that a kill loses nothing; remove %s",
			output, ext)
	case ".xls", ".xlsx", ".ods":
		return Paths{}, fmt.Errorf("output %s: results are lines of JSON (.jsonl), a document (.json) or a table (.csv, .tsv, .parquet, .flat.jsonl); name it %s for a table",
			output, strings.TrimSuffix(output, ext)+".csv")
	}
	base, document := strings.TrimSuffix(output, ext), output
	if FormatOf(output) == Lines {
		document = ""
	} else {
		ext = linesExt
	}
	if shard.Count < 1 {
		return Paths{Results: base + ext, Errors: base + "-errors" + ext, Run: base + ".run", Document: document}, nil
	}
	part := "." + shard.String()
	return Paths{Results: base + part + ext, Errors: base + "-errors" + part + ext, Run: filepath.Join(base+".run", shard.String())}, nil
}

// Contains reports whether the file at path is one of the output files, under any name.
func (p Paths) Contains(path string) bool {
	file, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, output := range []string{p.Results, p.Errors, p.Document} {
		if info, err := os.Stat(output); err == nil && os.SameFile(file, info) {
			return true
		}
	}
	return false
}

// In returns the path of a file in the run folder.
func (p Paths) In(name string) string { return filepath.Join(p.Run, name) }

// create makes the missing folders. Answers may be as private as prompts, so only the owner can read them by default. It
// refuses a run folder of another user.
func (p Paths) create() error {
	around := filepath.Dir(p.Results)
	if err := os.MkdirAll(around, p.dirMode()); err != nil {
		return &WriteError{Path: around, Err: err}
	}
	folders := []string{p.Run}
	if whole := filepath.Dir(p.Run); whole != around { // the folder of a shard is in that of the whole output
		folders = []string{whole, p.Run}
	}
	for _, dir := range folders {
		if err := p.makeFolder(dir); err != nil {
			return &WriteError{Path: dir, Err: err}
		}
	}
	return nil
}

func (p Paths) mode() fs.FileMode {
	if p.Mode == 0 {
		return 0o600
	}
	return p.Mode
}

// dirMode adds search permission for everyone who may read.
func (p Paths) dirMode() fs.FileMode { return p.mode() | p.mode()&0o444>>2 }
