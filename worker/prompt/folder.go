package prompt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// folder is an input whose rows are files: all texts, or all images. Files in folders below it count, too. No symbolic
// link leads out of it, and none to another folder is followed.
type folder struct {
	root   *os.Root
	images bool
	// names has the files' paths from the folder, each with a NUL behind it, and starts where they begin, in the order of
	// their bytes: a million files take eight bytes each and their paths.
	names  []byte
	starts []uint64
	// others is how many files are neither text nor image, and other is one of them.
	others int64
	other  string
	// newest is when a folder was last changed.
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
	var text, image string // one of each
	for below := []string{"."}; len(below) > 0; {
		dir := below[len(below)-1]
		below = below[:len(below)-1]
		err := f.each(dir, func(e os.DirEntry) {
			name := path.Join(dir, e.Name())
			switch kind := kindOf(name); {
			case strings.HasPrefix(e.Name(), "."): // hidden
			case e.IsDir():
				below = append(below, name)
			case kind == kindText:
				text = name
				f.add(name)
			case kind == kindImage:
				image = name
				f.add(name)
			default:
				f.others++
				f.other = name
			}
		})
		if err != nil {
			return err
		}
	}
	switch {
	case text != "" && image != "":
		return fmt.Errorf("it holds texts (%s) and images (%s); a folder is read as one or the other, so put them into folders of their own", showPath(text), showPath(image))
	case len(f.starts) == 0:
		return fmt.Errorf("it holds neither texts (%s) nor images (%s) (%s)", strings.Join(textEndings, ", "), strings.Join(imageEndings, ", "), CodeEmptyFile)
	}
	f.images = image != ""
	f.settle()
	return nil
}

// each reads a folder a piece at a time: it may have a million files.
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

// settle brings the files into their order, and gives back the room for more.
func (f *folder) settle() {
	f.names, f.starts = bytes.Clone(f.names), slices.Clone(f.starts)
	slices.SortFunc(f.starts, func(a, b uint64) int { return bytes.Compare(f.at(a), f.at(b)) })
}

// at is the path that begins at start.
func (f *folder) at(start uint64) []byte {
	name := f.names[start:]
	return name[:bytes.IndexByte(name, 0)]
}

func (f *folder) count() int64 { return int64(len(f.starts)) }

// measure looks at each file.
func (f *folder) measure() Fingerprint {
	p := Fingerprint{Files: f.count(), Modified: f.newest}
	for _, start := range f.starts {
		info, err := f.root.Stat(string(f.at(start)))
		if err != nil {
			continue // reading it will tell
		}
		p.Bytes += info.Size()
		if info.ModTime().After(p.Modified) {
			p.Modified = info.ModTime()
		}
	}
	return p
}

// Fingerprint is by what an input shows that it has changed.
type Fingerprint struct {
	Files    int64 // of a folder
	Bytes    int64
	Modified time.Time // the newest of them, folders included
}

type fileKind int

const (
	kindOther fileKind = iota
	kindText
	kindImage
)

// The endings of files that are rows. Images are of the kinds that imageKinds names.
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
