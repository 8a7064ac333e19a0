package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fluxworker/worker/prompt"
)

// storedRows is the input of figure f.
func (b *bench) storedRows() rows {
	return rows{count: b.size.of(2000, 1_000_000, 10_000_000), bytes: shortRow, last: longAnswer}
}

// stored is figure f: how fast results are read that are there, by a run that goes on and by a merge, held against cat.
func stored(ctx context.Context, b *bench) ([]line, error) {
	lines, err := resume(ctx, b)
	merged, mergeErr := merge(ctx, b)
	return append(lines, merged...), errors.Join(err, mergeErr)
}

// lines makes result lines as fluxworker writes them: a real line, with the key and the name of another row.
type resultLines struct {
	parts [][]byte // of the real line, between its keys and names
	names []bool   // whether a name, and not a key, stands behind each part but the last
}

// lineBytes is about how long a result line is made, by the length of its answer.
const lineBytes = 1000

// resultLines lets fluxworker answer one row, and takes its line apart.
func (b *bench) resultLines(ctx context.Context) (*resultLines, error) {
	dir, drop, err := b.folder("line-")
	if err != nil {
		return nil, err
	}
	defer drop()
	s, err := b.standIn(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r := rows{count: 1, bytes: shortRow, last: longAnswer}
	input, err := b.input(r)
	if err != nil {
		return nil, err
	}
	if _, err := b.process(ctx, process{dir: dir, program: b.fluxworker, args: job{url: s.url, slots: 1}.args(input, dir)}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if err != nil {
		return nil, err
	}
	row, err := prompt.NewReader(bytes.NewReader(inputOf(r)), prompt.Options{Defaults: defaults()}).Next()
	if err != nil {
		return nil, err
	}
	const answer = `"content":"`
	at := bytes.Index(text, []byte(answer)) + len(answer)
	longer := strings.Repeat(filler, lineBytes/len(filler))[:max(0, lineBytes-len(text))]
	return cutLine(append(append(text[:at:at], longer...), text[at:]...), hex.EncodeToString(row.Key[:]), row.CustomID)
}

func inputOf(r rows) []byte {
	var b bytes.Buffer
	r.write(&b) // into memory it does not fail
	return b.Bytes()
}

// cutLine cuts a line at its row's key and name.
func cutLine(text []byte, key, name string) (*resultLines, error) {
	var l resultLines
	for {
		atKey, atName := bytes.Index(text, []byte(key)), bytes.Index(text, []byte(name))
		switch {
		case atKey < 0 && atName < 0:
			l.parts = append(l.parts, text)
			if len(l.parts) < 3 {
				return nil, fmt.Errorf("the line of row %s has neither its key %s nor its name", name, key)
			}
			return &l, nil
		case atKey >= 0 && (atName < 0 || atKey < atName):
			l.parts, l.names, text = append(l.parts, text[:atKey]), append(l.names, false), text[atKey+len(key):]
		default:
			l.parts, l.names, text = append(l.parts, text[:atName]), append(l.names, true), text[atName+len(name):]
		}
	}
}

// add appends the line of a row.
func (l *resultLines) add(into []byte, row prompt.Row) []byte {
	for i, isName := range l.names {
		into = append(into, l.parts[i]...)
		if isName {
			into = append(into, row.CustomID...)
		} else {
			into = hex.AppendEncode(into, row.Key[:])
		}
	}
	return append(into, l.parts[len(l.parts)-1]...)
}

// each reads the input as fluxworker does and hands out the line of each row but the first ones.
func (l *resultLines) each(input string, first int, write func(i int, text []byte) error) error {
	f, err := os.Open(input)
	if err != nil {
		return err
	}
	defer f.Close()
	reader := prompt.NewReader(bufio.NewReader(f), prompt.Options{Defaults: defaults()})
	var text []byte
	for i := 0; ; i++ {
		row, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case row.Reject != nil:
			return fmt.Errorf("row %s is rejected: %s", row.CustomID, row.Reject.Message)
		case i < first:
			continue
		}
		text = l.add(text[:0], row)
		if err := write(i-first, text); err != nil {
			return err
		}
	}
}

// readRate returns the bytes per second that cat reads of files.
func (b *bench) readRate(ctx context.Context, files ...string) (float64, error) {
	var size int64
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	u, err := b.process(ctx, process{dir: b.scratch, program: "sh", args: append([]string{"-c", `cat "$@" >/dev/null`, "sh"}, files...)})
	return rateOf(size, u.took()), err
}

// rateOf is in MB a second.
func rateOf(bytes int64, took time.Duration) float64 { return float64(bytes) / 1e6 / took.Seconds() }
