package prompt

import (
	"hash/maphash"
	"sort"
)

// blockBytes is the least length of a block of a prompt, in bytes. Rows that share less than a block are not worth an order: it
// is about 60 tokens.
const blockBytes = 256

// Prefix holds hashes of the beginnings of a prompt, each a block longer than the one before. Two prompts with the same hash at
// a level have all bytes up to there in common. Blocks grow with the position, so that a prompt of a megabyte has about a
// hundred levels.
type Prefix []uint64

// PrefixOf returns the prefix of a request as the model sees it: templates put the tools first, then the messages in their
// order. A request for embeddings has none, because no slot keeps its text. Only prefixes with the same seed can be compared.
func PrefixOf(seed maphash.Seed, r *Request) Prefix {
	p := prefixer{next: blockBytes}
	p.hash.SetSeed(seed)
	if r.Body != nil && len(r.Messages) == 0 {
		EachMember(r.Body, func(name, value []byte) {
			switch string(name) {
			case `"tools"`, `"messages"`, `"prompt"`:
				p.bytes(value)
			}
		})
		return p.levels
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		p.text(t.Name)
		p.text(t.Description)
		p.bytes(t.Parameters)
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		p.text(m.Role)
		for _, image := range m.Images { // Ollama puts the images of a message before its text
			p.bytes(image)
		}
		p.text(m.Content)
		for _, call := range m.ToolCalls {
			p.text(call.Name)
			p.bytes(call.Arguments)
		}
	}
	return p.levels
}

// prefixer makes a prefix from the parts of a prompt.
type prefixer struct {
	hash     maphash.Hash
	at, next int // bytes so far, and at the end of the block
	levels   Prefix
}

func (p *prefixer) text(s string)  { addPart(p, s, p.hash.WriteString) }
func (p *prefixer) bytes(b []byte) { addPart(p, b, p.hash.Write) }

// addPart adds a part of the prompt, and ends each block that the part fills.
func addPart[T string | []byte](p *prefixer, part T, write func(T) (int, error)) {
	for p.at+len(part) >= p.next {
		n := p.next - p.at
		write(part[:n])
		p.end()
		part = part[n:]
	}
	write(part)
	p.at += len(part)
}

// end ends a block.
func (p *prefixer) end() {
	if p.levels == nil {
		p.levels = make(Prefix, 0, 8) // most prompts have no more
	}
	p.levels = append(p.levels, p.hash.Sum64())
	p.at = p.next
	p.next = nextLevel(p.at)
}

// nextLevel returns the end of the block that begins at the given byte.
func nextLevel(at int) int { return at + max(blockBytes, at/16) }

// PrefixBytes returns the length of a prefix with so many levels, in bytes.
func PrefixBytes(levels int) int {
	at := 0
	for range levels {
		at = nextLevel(at)
	}
	return at
}

// Common returns the number of levels that two prefixes have in common.
func (p Prefix) Common(other Prefix) int {
	n := min(len(p), len(other))
	return sort.Search(n, func(i int) bool { return p[i] != other[i] })
}
