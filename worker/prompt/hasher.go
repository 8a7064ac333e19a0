package prompt

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
)

// The domains keep sums of different things apart, even where the things look alike. The 1 is the version of the
// encoding: whoever changes what is hashed has to raise it, and every result file written before is then of no use to
// resume from. TestGoldenKeys notices.
const (
	domainContent   = "fluxworker/1/content"        // a line of the input
	domainCells     = "fluxworker/1/cells"          // a record of a table
	domainCustomID  = "fluxworker/1/name/custom_id" // the name of a row that has a custom_id
	domainUnnamed   = "fluxworker/1/name/content"   // the name of one that has none
	domainDuplicate = "fluxworker/1/name/duplicate" // the name of one whose custom_id was used before
	domainRequest   = "fluxworker/1/request"        // an effective request
	domainRejected  = "fluxworker/1/rejected"       // what stands for the request of a row that has none
)

type digest [sha256.Size]byte

// half is the part of a digest that goes into a key.
func (d digest) half() [8]byte { return [8]byte(d[:8]) }

// number is the same part as a map's key.
func (d digest) number() uint64 { return binary.BigEndian.Uint64(d[:8]) }

// hasher makes SHA-256 sums of sequences of values without allocating. Every sum starts with its domain. Strings are
// preceded by their length and numbers are eight bytes, big endian, so that no two sequences run together to the same
// bytes.
type hasher struct {
	hash   hash.Hash
	buffer [1024]byte
	out    digest
}

func newHasher() *hasher { return &hasher{hash: sha256.New()} }

func (h *hasher) start(domain string) {
	h.hash.Reset()
	h.text(domain)
}

func (h *hasher) uint64(v uint64) {
	h.hash.Write(binary.BigEndian.AppendUint64(h.buffer[:0], v))
}

func (h *hasher) float64(v float64) {
	h.uint64(math.Float64bits(v + 0)) // -0 + 0 is 0
}

func (h *hasher) text(v string) {
	h.uint64(uint64(len(v)))
	for len(v) > 0 { // through the buffer, since a hash takes no string
		n := copy(h.buffer[:], v)
		h.hash.Write(h.buffer[:n])
		v = v[n:]
	}
}

// raw adds bytes as they are, for what comes last and in pieces.
func (h *hasher) raw(v []byte) { h.hash.Write(v) }

func (h *hasher) sum() digest {
	h.hash.Sum(h.out[:0])
	return h.out
}

// content is the sum of a line of the input, without its line end.
func (h *hasher) content(text []byte) digest {
	h.start(domainContent)
	h.raw(text)
	return h.sum()
}

// cells is the sum of a record.
func (h *hasher) cells(cells []string) digest {
	h.start(domainCells)
	for _, cell := range cells {
		h.text(cell)
	}
	return h.sum()
}

// request is the sum of an effective request: every field in a fixed order, lists preceded by their length, an optional
// number by 0 or 1. JSON is not used, so that no library's idea of how to write a number can change a key.
func (h *hasher) request(r *Request) digest {
	h.start(domainRequest)
	h.text(string(r.Endpoint))
	h.text(r.Model)
	h.uint64(uint64(len(r.Messages)))
	for i := range r.Messages {
		h.text(r.Messages[i].Role)
		h.text(r.Messages[i].Content)
	}
	s := &r.Sampling
	h.uint64(uint64(s.MaxTokens))
	h.float64(s.Temperature)
	h.float64(s.TopP)
	h.uint64(uint64(s.TopK))
	if s.Seed == nil {
		h.uint64(0)
	} else {
		h.uint64(1)
		h.uint64(uint64(*s.Seed))
	}
	h.uint64(uint64(len(s.Stop)))
	for _, stop := range s.Stop {
		h.text(stop)
	}
	h.float64(s.FrequencyPenalty)
	h.float64(s.PresencePenalty)
	// Behind the rest, so that rows without images have the keys that they had before there were any.
	for i := range r.Messages {
		images := r.Messages[i].Images
		if len(images) == 0 {
			continue
		}
		h.uint64(uint64(i))
		h.uint64(uint64(len(images)))
		for _, image := range images {
			h.uint64(uint64(len(image)))
			h.raw(image)
		}
	}
	h.additions(r)
	return h.sum()
}
