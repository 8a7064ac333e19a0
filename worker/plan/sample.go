package plan

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"math/bits"
	"os"
	"time"

	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

const (
	// sampleTime is the default limit of the time for a sample. The inspection of the model takes longer.
	sampleTime = 300 * time.Millisecond
	// samplePlaces is the number of places of a file with sampled rows: inputs are often sorted, also by length.
	samplePlaces = 64
	// sampleRows is the number of rows of a small file that are sampled even if they take longer, as on a busy machine.
	sampleRows = 64
)

// sampler samples the rows of an input.
type sampler struct {
	input input.Input
	time  time.Duration         // limit of the whole sample
	isNew func(prompt.Key) bool // reports whether a row belongs into the sample
	into  *tokens.Sample

	compare bool // compare the rows with each other
}

// Sample samples the rows of the input for which isNew holds, within SampleTime. The sample stands for all of these rows. An
// input that can be read only once, or cannot be read, gives an empty sample.
func (p Planner) Sample(ctx context.Context, isNew func(prompt.Key) bool) *tokens.Sample {
	return p.sample(ctx, isNew, false)
}

func (p Planner) sample(ctx context.Context, isNew func(prompt.Key) bool, compare bool) *tokens.Sample {
	s := sampler{input: p.Input, time: cmp.Or(p.SampleTime, sampleTime), isNew: isNew, into: new(tokens.Sample), compare: compare}
	s.file(ctx)
	return s.into
}

// Always puts every row into a sample.
func Always(prompt.Key) bool { return true }

// file samples rows in places that are spread evenly over a file with one row in each line; of any other input it samples the
// first rows. It returns no error: the run reads the same input later, and finds the error then.
func (s *sampler) file(ctx context.Context) {
	if !s.input.Rereadable() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.time)
	defer cancel()
	info, err := os.Stat(s.input.Path)
	if err != nil || !s.lines() {
		s.start(ctx, 0)
		return
	}
	if info.Size() < samplePlaces<<10 {
		s.start(ctx, sampleRows)
		return
	}
	file, err := os.Open(s.input.Path)
	if err != nil {
		return
	}
	defer file.Close()
	type part struct {
		rows   *tokens.Sample
		stands float64 // the number of rows of its part that each sampled row stands for
	}
	var parts []part
	for i := range uint8(samplePlaces) {
		// With reversed bits the places are spread over the file even if the time ends early.
		at := int64(bits.Reverse8(i) / (256 / samplePlaces))
		rows, stands := s.part(ctx, file, info.Size()*at/samplePlaces, info.Size()*(at+1)/samplePlaces, info.Size())
		if ctx.Err() != nil && rows.Rows() == 0 {
			break
		}
		parts = append(parts, part{rows, stands})
	}
	for _, p := range parts {
		s.into.Merge(p.rows, p.stands*samplePlaces/float64(len(parts)))
	}
}

// lines reports whether the input is a file in which each line is a row, so that a reader can begin at any line.
func (s *sampler) lines() bool {
	source, err := prompt.Open(s.input.Path)
	if err != nil {
		return false
	}
	defer source.Close()
	return source.Lines()
}

// part samples rows that begin in the part of the file from one byte to another. stands is the number of rows of the part that
// each sampled row stands for.
func (s *sampler) part(ctx context.Context, file *os.File, from, to, size int64) (rows *tokens.Sample, stands float64) {
	within := to - from
	in := bufio.NewReaderSize(timedReader{ctx, io.NewSectionReader(file, from, size-from)}, 64<<10)
	if from > 0 { // in the middle of a line
		skipped, err := skipLine(in)
		if err != nil { // the last line, or the time is over
			return new(tokens.Sample), 0
		}
		from += skipped
	}
	counting := &countReader{in: in}
	reader := prompt.NewReader(counting, s.options())
	read := func() int64 { return counting.n - int64(reader.Buffered()) }
	each, cancel := context.WithTimeout(ctx, s.time/samplePlaces)
	defer cancel()
	rows = s.rows(each, reader, func() bool { return from+read() < to }, 0, tokens.MaxSampled/samplePlaces)
	return rows, float64(within) / float64(max(read(), 1)) // by the share of the part that was read
}

// start samples the first rows, so many also after the end of the context.
func (s *sampler) start(ctx context.Context, least int) {
	source, rows, err := s.input.Open(result.Shard{})
	if err != nil {
		return
	}
	defer source.Close()
	first := s.rows(ctx, rows, func() bool { return true }, least, tokens.MaxSampled)
	s.into.Merge(first, float64(source.Size())/float64(max(source.Offset(), 1)))
}

// options returns the options of a reader that begins in the middle of the file. They ignore shards: the needs of rows do not
// depend on the split.
func (s *sampler) options() prompt.Options {
	o := s.input.Options(result.Shard{})
	o.Name, o.Format = s.input.Path, prompt.FormatOf(s.input.Path)
	return o
}

// rows reads at most limit rows while goOn holds, and returns the sample of the rows for which isNew holds. After the end of
// the context it stops at the next row from the least number of rows on.
func (s *sampler) rows(ctx context.Context, rows *prompt.Reader, goOn func() bool, least, limit int) *tokens.Sample {
	sample := new(tokens.Sample)
	if s.compare {
		sample.Compare()
	}
	for n := 0; n < limit && goOn(); n++ {
		row, err := rows.Next()
		if err != nil {
			break
		}
		if row.Reject == nil && s.isNew(row.Key) {
			sample.Add(&row.Request)
		}
		if ctx.Err() != nil && n+1 >= least {
			break
		}
	}
	return sample
}

// skipLine reads to the end of a line, and returns its length with the end.
func skipLine(in *bufio.Reader) (bytes int64, _ error) {
	for {
		piece, err := in.ReadSlice('\n')
		bytes += int64(len(piece))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes, err
		}
	}
}

// timedReader reads until its context ends, also in the middle of a long row.
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

// countReader counts the bytes that are read through it.
type countReader struct {
	in io.Reader
	n  int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}
