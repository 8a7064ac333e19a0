package result

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	pagesBytes   = 32 << 20 // of all pages together
	smallestPage = 4 << 10
	largestPage  = 64 << 10
	keptScratch  = 1 << 20 // how large a buffer for long lines may be and still be kept
)

// pages reads lines of many files at any offset through one bounded cache. Lines stand in the order of their completion,
// which is close to that of the input: the next row's line is mostly near the last one of its file, now before it, now
// behind, and here and there one is far off. So each file is left a handful of pages, and a stray line costs one.
type pages struct {
	size   int // of a page, a power of two
	most   int
	places map[pageID]int // in cache
	cache  []page
	hand   int
	line   []byte // of a line on several pages
}

type pageID struct {
	file   *os.File
	number int64
}

type page struct {
	id   pageID
	data []byte // short at the end of the file
	used bool   // since the hand came by
}

// newPages makes a cache for so many files. The more there are, the smaller are its pages.
func newPages(files int) *pages {
	const each = 8 // pages of a file, until they are as small as it gets
	size := largestPage
	for size > smallestPage && size*each*files > pagesBytes {
		size /= 2
	}
	return &pages{size: size, most: pagesBytes / size, places: make(map[pageID]int)}
}

// lineAt reads the line that begins at an offset, with its newline. It is valid until the next call.
func (p *pages) lineAt(f *os.File, offset int64) ([]byte, error) {
	if cap(p.line) > keptScratch {
		p.line = nil
	}
	p.line = p.line[:0]
	for {
		data, err := p.page(pageID{file: f, number: offset / int64(p.size)})
		if err != nil {
			return nil, err
		}
		rest := data[min(len(data), int(offset%int64(p.size))):]
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			if rest = rest[:end+1]; len(p.line) == 0 {
				return rest, nil
			}
			p.line = append(p.line, rest...)
			return p.line, nil
		}
		p.line = append(p.line, rest...)
		if offset += int64(len(rest)); len(data) < p.size {
			return nil, fmt.Errorf("read %s: it ends at byte %d, in the middle of a line", f.Name(), offset)
		}
	}
}

// page is what stands on a page of a file.
func (p *pages) page(id pageID) ([]byte, error) {
	if at, ok := p.places[id]; ok {
		p.cache[at].used = true
		return p.cache[at].data, nil
	}
	at := p.free()
	slot := &p.cache[at]
	delete(p.places, slot.id)
	n, err := id.file.ReadAt(slot.data[:p.size], id.number*int64(p.size))
	if err != nil && !errors.Is(err, io.EOF) {
		slot.id, slot.used = pageID{}, false
		return nil, err // it names the file
	}
	slot.id, slot.data, slot.used = id, slot.data[:n], true
	p.places[id] = at
	return slot.data, nil
}

// free finds a place for a page: a new one, else that of the first page which was not asked for since the last round.
func (p *pages) free() int {
	if len(p.cache) < p.most {
		p.cache = append(p.cache, page{data: make([]byte, 0, p.size)})
		return len(p.cache) - 1
	}
	for ; p.cache[p.hand].used; p.hand = (p.hand + 1) % len(p.cache) {
		p.cache[p.hand].used = false
	}
	at := p.hand
	p.hand = (p.hand + 1) % len(p.cache)
	return at
}
