package prompt

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
)

// Domains separate hashes of different things that may have equal bytes. The 1 is the version of the encoding. A change
// of the hashed data needs a new version, and makes every earlier result file useless for resuming. TestGoldenKeys
// detects such a change.
const (
	domainContent   = "fluxworker/1/content"        // a line of the input
	domainCells     = "fluxworker/1/cells"          // a record of a table
	domainCustomID  = "fluxworker/1/name/custom_id" // the name of a row that has a custom_id
	domainUnnamed   = "fluxworker/1/name/content"   // the name of a row without custom_id
	domainDuplicate = "fluxworker/1/name/duplicate" // the name of a row with a custom_id that an earlier row has
	domainRequest   = "fluxworker/1/request"        // an effective request
	domainBody      = "fluxworker/1/body"           // a request to a server of OpenAI's API
	domainRejected  = "fluxworker/1/rejected"       // replaces the request of a row that has none
)

type digest [sha256.Size]byte

// half returns the part of a digest that goes into a key.
func (d digest) half() [8]byte { return [8]byte(d[:8]) }

// number returns the same part as an integer.
func (d digest) number() uint64 { return binary.BigEndian.Uint64(d[:8]) }

// hasher computes SHA-256 hashes of sequences of values without allocating. A hash starts with its domain. The length
// precedes each string, and numbers have eight bytes, big endian, so that different sequences never give the same
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
	for len(v) > 0 { // in pieces through the buffer: a hash accepts no string
		n := copy(h.buffer[:], v)
		h.hash.Write(h.buffer[:n])
		v = v[n:]
	}
}

// raw adds bytes without a length, for a last value that comes in pieces.
func (h *hasher) raw(v []byte) { h.hash.Write(v) }

func (h *hasher) sum() digest {
	h.hash.Sum(h.out[:0])
	return h.out
}

// content returns the hash of a line without its line end.
func (h *hasher) content(text []byte) digest {
	h.start(domainContent)
	h.raw(text)
	return h.sum()
}

// cells returns the hash of a record.
func (h *hasher) cells(cells []string) digest {
	h.start(domainCells)
	for _, cell := range cells {
		h.text(cell)
	}
	return h.sum()
}

// request returns the hash of an effective request: all fields in a fixed order; a length precedes a list, and 0 or 1
// an optional number. It does not use JSON, so no library's number format can change a key.
func (h *hasher) request(r *Request) digest {
	if r.Body != nil { // it holds everything that the server gets
		h.start(domainBody)
		h.text(string(r.Endpoint))
		h.raw(r.Body)
		return h.sum()
	}
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
	// Images come last, so that rows without images keep the keys from before images were supported.
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
			if orientation(image) != 1 { // the server gets other pixels than before images were turned
				h.text("upright")
			}
		}
	}
	h.optionalFields(r)
	return h.sum()
}
