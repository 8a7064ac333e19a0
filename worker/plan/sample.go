package plan

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"time"

	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

const (
	// sampleTime is how long it may take to look at the input's rows before the context is chosen, unless Config says another
	// time. The model is not there yet, and a look at it takes longer.
	sampleTime = 300 * time.Millisecond
	// samplePlaces is in how many places of a file it is looked: inputs are often sorted, by length, too.
	samplePlaces = 64
)

// sampler samples the rows of an input.
type sampler struct {
	input input.Input
	time  time.Duration         // that it may take
	isNew func(prompt.Key) bool // whether the row is to be asked
	into  *tokens.Sample
}

// Sample samples the rows of the input that are to be asked. It takes little time, and less of the input than that would
// need; the sample stands for all rows. An input that can be read only once gives an empty sample.
func (p Planner) Sample(ctx context.Context, isNew func(prompt.Key) bool) *tokens.Sample {
	s := sampler{input: p.Input, time: cmp.Or(p.SampleTime, sampleTime), isNew: isNew, into: new(tokens.Sample)}
	s.file(ctx)
	return s.into
}

// Always makes every row a part of a sample.
func Always(prompt.Key) bool { return true }

// file looks at rows in places that are spread evenly over a file with one row in a line, else at the first rows. That a
// file cannot be read is found when it is read for its rows.
func (s *sampler) file(ctx context.Context) {
	info, err := os.Stat(s.input.Path)
	if err != nil || !s.input.Rereadable() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.time)
	defer cancel()
	// Of a compressed file the last ending tells no format.
	f := prompt.FormatOf("x" + filepath.Ext(s.input.Path))
	if f != prompt.JSONL && f != prompt.Text || info.IsDir() || info.Size() < samplePlaces<<10 {
		s.start(ctx)
		return
	}
	file, err := os.Open(s.input.Path)
	if err != nil {
		return
	}
	defer file.Close()
	type look struct {
		rows   *tokens.Sample
		stands float64 // for how many rows of its place each of them does
	}
	var looks []look
	for i := range uint8(samplePlaces) {
		// Reversed bits, so that the places are spread over the file also where the time is not enough for all of them.
		at := int64(bits.Reverse8(i) / (256 / samplePlaces))
		rows, stands := s.place(ctx, file, info.Size()*at/samplePlaces, info.Size()*(at+1)/samplePlaces, info.Size())
		if ctx.Err() != nil && rows.Rows() == 0 {
			break
		}
		looks = append(looks, look{rows, stands})
	}
	for _, l := range looks {
		s.into.Merge(l.rows, l.stands*samplePlaces/float64(len(looks)))
	}
}

// place looks at rows that begin in a part of the file, and tells for how many each of them stands.
func (s *sampler) place(ctx context.Context, file *os.File, from, to, size int64) (rows *tokens.Sample, stands float64) {
	within := to - from
	in := bufio.NewReaderSize(timedReader{ctx, io.NewSectionReader(file, from, size-from)}, 64<<10)
	if from > 0 { // in the middle of a line
		skipped, err := skipLine(in)
		if err != nil { // of the last one, or the time is over
			return new(tokens.Sample), 0
		}
		from += skipped
	}
	counting := &countReader{in: in}
	reader := prompt.NewReader(counting, s.options())
	read := func() int64 { return counting.n - int64(reader.Buffered()) }
	each, cancel := context.WithTimeout(ctx, sampleTime/samplePlaces)
	defer cancel()
	rows = s.rows(each, reader, func() bool { return from+read() < to }, tokens.MostSampled/samplePlaces)
	return rows, float64(within) / float64(max(read(), 1)) // so much of the place was looked at
}

// start looks at the first rows.
func (s *sampler) start(ctx context.Context) {
	source, rows, err := s.input.Open(result.Shard{})
	if err != nil {
		return
	}
	defer source.Close()
	here := s.rows(ctx, rows, func() bool { return true }, tokens.MostSampled)
	s.into.Merge(here, float64(source.Size())/float64(max(source.Offset(), 1)))
}

// options are those of a reader that begins in the middle of the file. They do without the split into shards: what rows take
// does not depend on it.
func (s *sampler) options() prompt.Options {
	o := s.input.Options(result.Shard{})
	o.Name, o.Format = s.input.Path, prompt.FormatOf(s.input.Path)
	return o
}

// rows looks at rows for as long as it is to go on, at most so many. Those that have their line are no part of the sample.
func (s *sampler) rows(ctx context.Context, rows *prompt.Reader, goOn func() bool, most int) *tokens.Sample {
	here := new(tokens.Sample)
	for n := 0; n < most && goOn(); n++ {
		row, err := rows.Next()
		if err != nil {
			break
		}
		if row.Reject == nil && s.isNew(row.Key) {
			here.Add(&row.Request)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return here
}

// skipLine reads to the end of a line.
func skipLine(in *bufio.Reader) (bytes int64, _ error) {
	for {
		piece, err := in.ReadSlice('\n')
		bytes += int64(len(piece))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes, err
		}
	}
}

// timedReader reads until its context ends: a row may be as long as many others.
type timedReader struct {
	ctx context.Context
	in  io.Reader
}

func (r timedReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

// countReader counts what is read through it.
type countReader struct {
	in io.Reader
	n  int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}
