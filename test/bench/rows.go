package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// rows are inputs of one shape: every row is as long as the others, and its prompt names its number, so that no two are the
// same. With texts, the rows are these prompts instead.
type rows struct {
	count int
	bytes int      // of a prompt
	last  byte     // of a prompt: what the answer begins behind, by the stand-in's rule
	embed bool     // a vector is asked for, not an answer
	texts []string // with nothing in them that JSON escapes
}

// rowsOf returns rows with the given prompts.
func rowsOf(texts []string) rows { return rows{count: len(texts), texts: texts} }

// shortRow is a prompt of a sentence, and a word for an answer.
const shortRow = 100

// filler makes prompts long. It has nothing in it that JSON escapes.
const filler = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all. "

// prompts returns a function that appends the prompt of row i to a buffer.
func (r rows) prompts() func(into []byte, i int) []byte {
	if r.texts != nil {
		return func(into []byte, i int) []byte { return append(into, r.texts[i]...) }
	}
	numbered := len("Row 00000000. ")
	padding := strings.Repeat(filler, r.bytes/len(filler)+1)[:max(0, r.bytes-numbered-1)]
	return func(into []byte, i int) []byte {
		into = append(into, "Row "...)
		into = appendNumber(into, i)
		into = append(into, ". "...)
		into = append(into, padding...)
		return append(into, r.last)
	}
}

// numberDigits is the width of a row's number, in digits.
const numberDigits = 8

func appendNumber(into []byte, i int) []byte {
	var digits [numberDigits]byte
	for at := numberDigits - 1; at >= 0; at-- {
		digits[at] = byte('0' + i%10)
		i /= 10
	}
	return append(into, digits[:]...)
}

// write writes the rows as an input of fluxworker's.
func (r rows) write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	prompt := r.prompts()
	before, after := `","prompt":"`, "\"}\n"
	if r.embed {
		before, after = `","url":"/v1/embeddings","body":{"input":"`, "\"}}\n"
	}
	var line []byte
	for i := range r.count {
		line = append(line[:0], `{"custom_id":"request-`...)
		line = appendNumber(line, i)
		line = append(line, before...)
		line = prompt(line, i)
		line = append(line, after...)
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("write rows: %w", err)
		}
	}
	return out.Flush()
}

// file writes the rows to a file.
func (r rows) file(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.write(f); err != nil {
		return err
	}
	return f.Close()
}
