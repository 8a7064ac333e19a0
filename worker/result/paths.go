package result

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Paths are the places of one run's output, all next to each other.
type Paths struct {
	Results string // answered rows: the file that the user named, or the one of lines beside the document that he named
	Errors  string // rows that failed for good
	Run     string // the folder with manifest, summary, lock and server logs
	// Document is the file that the user named where its name is that of a document, which is written when all rows have
	// their line; empty otherwise, and for a shard.
	Document string
	// Mode is what new files get, less the umask; 0 stands for 0600. Folders may also be searched by whom it lets read.
	Mode fs.FileMode
}

// Shard is one of Count parts of an output; Index counts from 0. The zero value, like every Count below 1, is the whole.
type Shard struct{ Index, Count int }

// String names a part as the files do.
func (s Shard) String() string { return fmt.Sprintf("%04d-of-%04d", s.Index, s.Count) }

// mostLinks is how many links in a row are followed: the kernel's own limit.
const mostLinks = 40

// PathsOf derives the places from the output's name: results.jsonl gives results-errors.jsonl and results.run, and for a
// shard results.0003-of-0016.jsonl, results-errors.0003-of-0016.jsonl and results.run/0003-of-0016. The error says why the
// name is none for results. The lines of a document (results.json, results.csv) are in the file beside it that ends in .jsonl.
//
// Links are followed: two names of one file are one output, with one folder and one lock.
func PathsOf(output string, shard Shard) (Paths, error) {
	for range mostLinks { // of a file that is not there yet, too
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
		return Paths{}, fmt.Errorf("output %s is no file: results are appended to a file, from which a later run goes on; name one such as results.jsonl", output)
	}
	ext := filepath.Ext(output)
	switch base := filepath.Base(output); {
	case strings.HasSuffix(output, string(filepath.Separator)), strings.HasPrefix(base, "-"), base == ext:
		return Paths{}, fmt.Errorf("output %q is no file name; name one such as results.jsonl", output)
	}
	switch strings.ToLower(ext) {
	case ".run":
		return Paths{}, fmt.Errorf("output %s: that is what the folder of the run beside it is called; name the file %s",
			output, strings.TrimSuffix(output, ext)+".jsonl")
	case ".gz", ".zst":
		return Paths{}, fmt.Errorf("output %s: results are not compressed while they are written, so that a kill loses nothing; leave %s off",
			output, ext)
	case ".tsv", ".xls", ".xlsx", ".ods", ".parquet":
		return Paths{}, fmt.Errorf("output %s: results are lines of JSON (.jsonl), a document (.json) or a table (.csv); name it %s for a table",
			output, strings.TrimSuffix(output, ext)+".csv")
	}
	base, named := strings.TrimSuffix(output, ext), output
	if FormatOf(output) == Lines {
		named = ""
	} else {
		ext = linesExt
	}
	if shard.Count < 1 {
		return Paths{Results: base + ext, Errors: base + "-errors" + ext, Run: base + ".run", Document: named}, nil
	}
	part := "." + shard.String()
	return Paths{Results: base + part + ext, Errors: base + "-errors" + part + ext, Run: filepath.Join(base+".run", shard.String())}, nil
}

// Contain tells whether the file at path is one of those that results go to, by whatever name.
func (p Paths) Contain(path string) bool {
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

// In is the place of one of the run folder's files.
func (p Paths) In(name string) string { return filepath.Join(p.Run, name) }

// create makes the folders that the paths need. Answers may be as private as the prompts: nobody else reads them, unless
// the user said so.
func (p Paths) create() error {
	for _, dir := range []string{filepath.Dir(p.Results), p.Run} {
		if err := os.MkdirAll(dir, p.dirMode()); err != nil {
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

// dirMode lets into a folder whom mode lets read.
func (p Paths) dirMode() fs.FileMode { return p.mode() | p.mode()&0o444>>2 }
