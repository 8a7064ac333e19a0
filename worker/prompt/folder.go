package prompt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// folder is an input folder. Its files are the rows: all texts, or all images. Files in subfolders count. No symbolic
// link leads out of the folder, and links to folders are not followed.
type folder struct {
	root   *os.Root
	images bool
	// names holds the paths of the files from the folder, each followed by a NUL. starts holds the offset of each path,
	// in the byte order of the paths. So a million files need eight bytes each plus their paths.
	names  []byte
	starts []uint64
	// skipped is the number of files that are neither text nor image; skippedExample is one of them.
	skipped        int64
	skippedExample string
	// parquet holds the paths of the Parquet files, sorted. Beside them other files are no rows.
	parquet []string
	// newest is the latest modification time of a folder.
	newest time.Time
}

// openFolder lists the files of the folder at path.
func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &folder{root: root}
	if err := f.list(); err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

func (f *folder) list() error {
	var text, image string // an example of each kind
	for below := []string{"."}; len(below) > 0; {
		dir := below[len(below)-1]
		below = below[:len(below)-1]
		err := f.each(dir, func(e os.DirEntry) {
			name := path.Join(dir, e.Name())
			switch kind := kindOf(name); {
			case strings.HasPrefix(e.Name(), "."): // hidden
			case e.IsDir():
				below = append(below, name)
			case strings.EqualFold(path.Ext(name), parquetEnding):
				f.parquet = append(f.parquet, filepath.Join(f.root.Name(), name))
			case kind == kindText:
				text = name
				f.add(name)
			case kind == kindImage:
				image = name
				f.add(name)
			default:
				f.skipped++
				f.skippedExample = name
			}
		})
		if err != nil {
			return err
		}
	}
	if len(f.parquet) > 0 { // the README of a dataset is no row of it
		slices.Sort(f.parquet)
		f.skipped, f.skippedExample = f.skipped+f.count(), cmp.Or(text, image, f.skippedExample)
		f.names, f.starts = nil, nil
		return nil
	}
	switch {
	case text != "" && image != "":
		return fmt.Errorf("it holds both texts (%s) and images (%s); put them into separate folders", showPath(text), showPath(image))
	case len(f.starts) == 0:
		return fmt.Errorf("it holds no texts (%s), no images (%s) and no Parquet files (%s)", strings.Join(textEndings, ", "), strings.Join(imageEndings, ", "), CodeEmptyFile)
	}
	f.images = image != ""
	f.sort()
	return nil
}

// each calls do for the entries of a folder. It reads the folder in pieces, because a folder may have a million files.
func (f *folder) each(dir string, do func(os.DirEntry)) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", showPath(dir), causeOf(err))
	}
	defer d.Close()
	if info, err := d.Stat(); err == nil && info.ModTime().After(f.newest) {
		f.newest = info.ModTime()
	}
	for {
		entries, err := d.ReadDir(1000)
		for _, e := range entries {
			do(e)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("list %s: %w", showPath(dir), causeOf(err))
		}
	}
}

func (f *folder) add(name string) {
	f.starts = append(f.starts, uint64(len(f.names)))
	f.names = append(append(f.names, name...), 0)
}

// sort sorts the files and frees unused memory.
func (f *folder) sort() {
	f.names, f.starts = bytes.Clone(f.names), slices.Clone(f.starts)
	slices.SortFunc(f.starts, func(a, b uint64) int { return bytes.Compare(f.at(a), f.at(b)) })
}

// at returns the path that begins at start.
func (f *folder) at(start uint64) []byte {
	name := f.names[start:]
	return name[:bytes.IndexByte(name, 0)]
}

func (f *folder) count() int64 { return int64(len(f.starts)) }

// measure returns the fingerprint of the files.
func (f *folder) measure() Fingerprint {
	p := Fingerprint{Files: f.count(), Modified: f.newest}
	for _, start := range f.starts {
		info, err := f.root.Stat(string(f.at(start)))
		if err != nil {
			continue // reading the file will report the error
		}
		p.Bytes += info.Size()
		if info.ModTime().After(p.Modified) {
			p.Modified = info.ModTime()
		}
	}
	return p
}

// Fingerprint shows whether an input has changed.
type Fingerprint struct {
	Files    int64 // number of files in a folder; 0 for a file
	Bytes    int64
	Modified time.Time // the latest modification time of the file, or of the files and folders
}

type fileKind int

const (
	kindOther fileKind = iota
	kindText
	kindImage
)

// File name extensions of rows. The images are of the formats in imageKinds.
var (
	textEndings  = []string{".txt", ".md"}
	imageEndings = []string{".png", ".jpg", ".jpeg", ".webp"}
)

func kindOf(name string) fileKind {
	switch ending := strings.ToLower(path.Ext(name)); {
	case slices.Contains(textEndings, ending):
		return kindText
	case slices.Contains(imageEndings, ending):
		return kindImage
	}
	return kindOther
}
