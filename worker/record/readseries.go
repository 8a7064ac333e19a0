package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"

	"fluxworker/worker/result"
	"fluxworker/worker/safeopen"
)

// SeriesFile is the name in the run folder of the file with the moments of all attempts, one JSON object for each line.
const SeriesFile = "series.jsonl"

// ReadSeries returns the moments of all attempts, in the order of the file; nil where no run has written a moment. It leaves out
// lines that are damaged or cut off. It needs no lock: the last line of a running run may be cut off. Error: result.RecordError.
func ReadSeries(paths result.Paths) ([]Moment, error) {
	data, err := safeopen.Read(paths.In(SeriesFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, &result.RecordError{Path: paths.In(SeriesFile), Err: err}
	}
	return parseMoments(data), nil
}

// parseMoments returns the moments of all whole and valid lines.
func parseMoments(data []byte) []Moment {
	var all []Moment
	for {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return all
		}
		data = rest
		var m Moment
		if json.Unmarshal(line, &m) == nil && m.Attempt > 0 && !m.At.IsZero() {
			all = append(all, m)
		}
	}
}
