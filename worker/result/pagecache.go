package result

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	pageCacheBytes = 32 << 20 // memory of all pages together
	minPage        = 4 << 10
	maxPage        = 64 << 10
	keptScratch    = 1 << 20 // largest size of a kept buffer for long lines
)

// pageCache reads lines of many files at any offset through one bounded cache. The lines are in order of completion,
// which is close to the order of the input: the next line of a file is usually near the previous one, before or after
// it, and sometimes far away. So a few pages per file are enough, and a distant line costs one page.
type pageCache struct {
	size      int // size of a page in bytes, a power of two
	maxPages  int
	positions map[pageID]int // index in cache
	cache     []page
	clockHand int
	line      []byte // buffer for a line on several pages
}

type pageID struct {
	file   *os.File
	number int64
}

type page struct {
	id   pageID
	data []byte // shorter than a page at the end of the file
	used bool   // used since the clock hand last passed
}

// newPageCache returns a cache for the given number of files. More files mean smaller pages.
func newPageCache(files int) *pageCache {
	const each = 8 // pages per file, until the minimum page size is reached
	size := maxPage
	for size > minPage && size*each*files > pageCacheBytes {
		size /= 2
	}
	return &pageCache{size: size, maxPages: pageCacheBytes / size, positions: make(map[pageID]int)}
}

// lineAt returns the line at an offset, with its newline. The line is valid until the next call.
func (p *pageCache) lineAt(f *os.File, offset int64) ([]byte, error) {
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
			return nil, fmt.Errorf("read %s: the file ends at byte %d, in the middle of a line", f.Name(), offset)
		}
	}
}

// page returns the content of a page.
func (p *pageCache) page(id pageID) ([]byte, error) {
	if at, ok := p.positions[id]; ok {
		p.cache[at].used = true
		return p.cache[at].data, nil
	}
	at := p.free()
	slot := &p.cache[at]
	delete(p.positions, slot.id)
	n, err := id.file.ReadAt(slot.data[:p.size], id.number*int64(p.size))
	if err != nil && !errors.Is(err, io.EOF) {
		slot.id, slot.used = pageID{}, false
		return nil, err // the error names the file
	}
	slot.id, slot.data, slot.used = id, slot.data[:n], true
	p.positions[id] = at
	return slot.data, nil
}

// free returns an index for a new page: an unused one, or by the clock algorithm the first page that was not used since
// the last round.
func (p *pageCache) free() int {
	if len(p.cache) < p.maxPages {
		p.cache = append(p.cache, page{data: make([]byte, 0, p.size)})
		return len(p.cache) - 1
	}
	for ; p.cache[p.clockHand].used; p.clockHand = (p.clockHand + 1) % len(p.cache) {
		p.cache[p.clockHand].used = false
	}
	at := p.clockHand
	p.clockHand = (p.clockHand + 1) % len(p.cache)
	return at
}
