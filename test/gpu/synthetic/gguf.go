package synthetic

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// Numbers of the GGUF format (llama.cpp, ggml/include/gguf.h and ggml.h).
const (
	ggufVersion   = 3
	ggufAlignment = 32

	ggufUint32  = 4
	ggufInt32   = 5
	ggufFloat32 = 6
	ggufBool    = 7
	ggufString  = 8
	ggufArray   = 9

	kindF32  = 0
	kindQ4_0 = 2

	q4Block      = 32 // weights in a block of Q4_0
	q4BlockBytes = 18 // a half-precision scale, and half a byte for each weight
)

// entry is a key of the file's metadata. The value is a uint32, int32, float32, bool, string, or a slice of uint32, int32,
// float32 or string.
type entry struct {
	key   string
	value any
}

// tensor is a matrix of random weights in Q4_0, or a vector of one value in F32.
type tensor struct {
	name  string
	kind  uint32
	shape []uint64 // innermost dimension first
	value float32  // of each element of an F32 tensor
}

// matrix returns a Q4_0 tensor. The number of inputs must be a multiple of q4Block.
func matrix(name string, in, out int) tensor {
	return tensor{name: name, kind: kindQ4_0, shape: []uint64{uint64(in), uint64(out)}}
}

// vector returns an F32 tensor with the same value everywhere.
func vector(name string, value float32, shape ...int) tensor {
	t := tensor{name: name, kind: kindF32, value: value}
	for _, n := range shape {
		t.shape = append(t.shape, uint64(n))
	}
	return t
}

// bytes returns the size of the tensor's data.
func (t tensor) bytes() int64 {
	n := int64(1)
	for _, s := range t.shape {
		n *= int64(s)
	}
	if t.kind == kindQ4_0 {
		return n / q4Block * q4BlockBytes
	}
	return 4 * n
}

func aligned(n int64) int64 { return (n + ggufAlignment - 1) / ggufAlignment * ggufAlignment }

// writeHeader writes everything before the data of the tensors, and returns its length.
func writeHeader(to io.Writer, metadata []entry, tensors []tensor) (int64, error) {
	w := &counter{to: bufio.NewWriterSize(to, 1<<20)}
	w.bytes([]byte("GGUF"))
	w.number(uint32(ggufVersion), uint64(len(tensors)), uint64(len(metadata)))
	for _, e := range metadata {
		w.text(e.key)
		w.value(e.value)
	}
	var offset int64
	for _, t := range tensors {
		w.text(t.name)
		w.number(uint32(len(t.shape)))
		for _, n := range t.shape {
			w.number(n)
		}
		w.number(t.kind, uint64(offset))
		offset = aligned(offset + t.bytes())
	}
	w.bytes(make([]byte, aligned(w.n)-w.n))
	if w.err == nil {
		w.err = w.to.Flush()
	}
	return w.n, w.err
}

// counter writes the parts of a header. It keeps the first error.
type counter struct {
	to  *bufio.Writer
	n   int64
	err error
}

func (w *counter) bytes(p []byte) {
	if w.err == nil {
		_, w.err = w.to.Write(p)
		w.n += int64(len(p))
	}
}

func (w *counter) number(values ...any) {
	for _, v := range values {
		if w.err == nil {
			w.err = binary.Write(w.to, binary.LittleEndian, v)
			w.n += int64(binary.Size(v))
		}
	}
}

func (w *counter) text(s string) {
	w.number(uint64(len(s)))
	w.bytes([]byte(s))
}

func (w *counter) value(v any) {
	switch v := v.(type) {
	case uint32:
		w.number(uint32(ggufUint32), v)
	case float32:
		w.number(uint32(ggufFloat32), v)
	case bool:
		w.number(uint32(ggufBool), v)
	case string:
		w.number(uint32(ggufString))
		w.text(v)
	case []uint32:
		w.number(uint32(ggufArray), uint32(ggufUint32), uint64(len(v)), v)
	case []int32:
		w.number(uint32(ggufArray), uint32(ggufInt32), uint64(len(v)), v)
	case []float32:
		w.number(uint32(ggufArray), uint32(ggufFloat32), uint64(len(v)), v)
	case []string:
		w.number(uint32(ggufArray), uint32(ggufString), uint64(len(v)))
		for _, s := range v {
			w.text(s)
		}
	default:
		w.err = fmt.Errorf("write GGUF: no type for a value of type %T", v)
	}
}

// writeData writes the data of a tensor with the padding behind it.
func writeData(w *bufio.Writer, t tensor, random *rand.ChaCha8) error {
	var err error
	if t.kind == kindQ4_0 {
		err = writeBlocks(w, t, random)
	} else {
		err = writeSame(w, t)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(make([]byte, aligned(t.bytes())-t.bytes()))
	return err
}

func writeSame(w *bufio.Writer, t tensor) error {
	data := make([]byte, 0, t.bytes())
	for range t.bytes() / 4 {
		var err error
		if data, err = binary.Append(data, binary.LittleEndian, t.value); err != nil {
			return err
		}
	}
	_, err := w.Write(data)
	return err
}

// writeBlocks writes random blocks of Q4_0. The scale lets the outputs have about the size of the inputs, so that no number
// grows from layer to layer until it is infinite.
func writeBlocks(w *bufio.Writer, t tensor, random *rand.ChaCha8) error {
	scale := halfScale(int(t.shape[0]))
	chunk := make([]byte, 1024*q4BlockBytes)
	for left := t.bytes(); left > 0; {
		part := chunk[:min(left, int64(len(chunk)))]
		random.Read(part) // never fails
		for i := 0; i < len(part); i += q4BlockBytes {
			binary.LittleEndian.PutUint16(part[i:], scale)
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		left -= int64(len(part))
	}
	return nil
}

// halfScale returns, as a half-precision number, the power of two next to 1/(4.6·√in): the numbers -8 to 7 have a standard
// deviation of 4.6.
func halfScale(in int) uint16 {
	exponent := 0
	for 4.6*4.6*float64(in) > float64(int64(1)<<(2*exponent)) {
		exponent++
	}
	return uint16(15-min(exponent, 14)) << 10
}
