package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"fluxworker/worker/result"
	"fluxworker/worker/safeopen"
)

// SeriesPeriod is the first period of a series. The GPUs have a new sample as often.
const SeriesPeriod = 10 * time.Second

// The bounds of a series. Where a series grows beyond a bound, every second periodic moment goes, and the period doubles: a week
// is as readable as an hour, and the file of a run that SLURM restarts for months stays small.
const (
	maxAttempt     = 2000     // moments of an attempt
	maxMoments     = 20_000   // moments of a file
	maxSeriesBytes = 16 << 20 // a moment of 56 MIG instances has 8 KB
)

// Series appends the moments of one attempt to the series of its run folder. The holder of the output has one Series at a time. Its
// methods are not safe for concurrent use.
//
// A kill leaves whole lines and perhaps a last line that is cut off, which the next OpenSeries removes. Moments are not synced:
// the series is for people, and a run does not wait for it.
type Series struct {
	paths   result.Paths
	attempt int
	period  time.Duration
	file    *os.File
	size    int64 // bytes of the file
	own     int   // moments of this attempt
	all     int   // lines of the file
}

// OpenSeries opens the series for an attempt, and repairs its end after a kill. Errors: result.RecordError, result.WriteError.
func OpenSeries(paths result.Paths, attempt int) (*Series, error) {
	path := paths.In(SeriesFile)
	data, err := safeopen.Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &result.RecordError{Path: path, Err: err}
	}
	s := &Series{paths: paths, attempt: attempt, period: SeriesPeriod}
	if s.file, err = paths.OpenAppend(SeriesFile); err != nil {
		return nil, err
	}
	s.size, s.all = int64(bytes.LastIndexByte(data, '\n')+1), bytes.Count(data, []byte{'\n'})
	if s.size == int64(len(data)) {
		return s, nil
	}
	if err := s.file.Truncate(s.size); err != nil {
		s.file.Close()
		return nil, &result.WriteError{Path: path, Err: err}
	}
	return s, nil
}

// Period returns the time between two periodic moments. It begins with SeriesPeriod, and grows with the length of the series.
func (s *Series) Period() time.Duration { return s.period }

// Append appends a moment of the attempt. After an error nothing may be appended. Errors: result.RecordError, result.WriteError.
func (s *Series) Append(m Moment) error {
	m.At, m.Attempt = m.At.UTC().Truncate(time.Millisecond), s.attempt
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	n, err := s.file.Write(append(line, '\n'))
	s.size += int64(n)
	if err != nil {
		return &result.WriteError{Path: s.paths.In(SeriesFile), Err: err}
	}
	s.own++
	s.all++
	switch {
	case s.all >= maxMoments, s.size >= maxSeriesBytes:
		return s.thin(func(Moment) bool { return true })
	case s.own >= maxAttempt:
		return s.thin(func(m Moment) bool { return m.Attempt == s.attempt })
	}
	return nil
}

// Close closes the file. Error: result.WriteError.
func (s *Series) Close() error {
	if err := s.file.Close(); err != nil {
		return &result.WriteError{Path: s.paths.In(SeriesFile), Err: err}
	}
	return nil
}

// thin replaces the file by one that lacks every second periodic moment of a part of the series, and doubles the period. A part that
// is still long, since it has mostly events, loses its first events, too.
func (s *Series) thin(part func(Moment) bool) error {
	all, err := ReadSeries(s.paths)
	if err != nil {
		return err
	}
	target, periodic := count(all, part)*3/4, 0
	all = without(all, len(all), func(m Moment) bool {
		if m.Event != "" || !part(m) {
			return false
		}
		periodic++
		return periodic%2 == 1
	})
	if periodic > 0 {
		s.period *= 2
	}
	// A server that dies all the time, or a job that starts again all the time, has more events than periodic moments.
	all = without(all, count(all, part)-target, func(m Moment) bool { return m.Event == EventRestart && part(m) })
	all = without(all, count(all, part)-target, part)

	var content bytes.Buffer
	lines := json.NewEncoder(&content)
	lines.SetEscapeHTML(false)
	for _, m := range all {
		if err := lines.Encode(m); err != nil {
			return err
		}
	}
	if err := s.paths.Replace(SeriesFile, content.Bytes()); err != nil {
		return err
	}
	s.file.Close() // the old file is gone
	if s.file, err = s.paths.OpenAppend(SeriesFile); err != nil {
		return err
	}
	s.size, s.all = int64(content.Len()), len(all)
	s.own = count(all, func(m Moment) bool { return m.Attempt == s.attempt })
	return nil
}

// without removes the first n moments that match.
func without(all []Moment, n int, match func(Moment) bool) []Moment {
	kept := all[:0]
	for _, m := range all {
		if n > 0 && match(m) {
			n--
			continue
		}
		kept = append(kept, m)
	}
	return kept
}

// count returns the number of moments that match.
func count(all []Moment, match func(Moment) bool) (n int) {
	for _, m := range all {
		if match(m) {
			n++
		}
	}
	return n
}
