package record

import (
	"os"
	"strings"
	"testing"
	"time"

	"fluxworker/worker/result"
)

// begin is the time of the first moment of the tests.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// seriesPaths returns the paths of an output with a run folder.
func seriesPaths(t *testing.T) result.Paths {
	t.Helper()
	dir := t.TempDir()
	paths := result.Paths{Results: dir + "/results.jsonl", Run: dir + "/results.run"}
	if err := os.Mkdir(paths.Run, 0o700); err != nil {
		t.Fatal(err)
	}
	return paths
}

// attempt appends moments as an attempt does: a start, n periodic moments, an end. It returns the last period.
func attempt(t *testing.T, paths result.Paths, number, n int) time.Duration {
	t.Helper()
	s, err := OpenSeries(paths, number)
	if err != nil {
		t.Fatal(err)
	}
	at := begin
	add := func(event Event, ok int) {
		if err := s.Append(Moment{At: at, Event: event, OK: int64(ok)}); err != nil {
			t.Fatal(err)
		}
	}
	add(EventStart, 0)
	for i := range n {
		at = at.Add(s.Period())
		add("", i+1)
	}
	add(EventEnd, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.Period()
}

// read returns the series, and fails where a moment is not later than the moment before it in its attempt.
func read(t *testing.T, paths result.Paths) []Moment {
	t.Helper()
	all, err := ReadSeries(paths)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Attempt == all[i-1].Attempt && (all[i].At.Before(all[i-1].At) || all[i].OK < all[i-1].OK) {
			t.Fatalf("moment %+v follows %+v", all[i], all[i-1])
		}
	}
	return all
}

func TestSeries(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	if all := read(t, paths); all != nil {
		t.Fatalf("%+v before the first attempt, want nil", all)
	}
	attempt(t, paths, 1, 2)
	attempt(t, paths, 2, 0)
	var got []string
	for _, m := range read(t, paths) {
		got = append(got, string(rune('0'+m.Attempt))+string(m.Event))
	}
	if want := "1start 1 1 1end 2start 2end"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
	info, err := os.Stat(paths.In(SeriesFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600 as of the other records", info.Mode(), err)
	}
}

// However long an attempt is, its series is bounded, begins with the start and ends with the end, and its moments are evenly spread.
func TestSeriesOfALongAttempt(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	if period := attempt(t, paths, 1, 5*maxAttempt); period < 4*SeriesPeriod {
		t.Errorf("period %s, want at least %s", period, 4*SeriesPeriod)
	}
	all := read(t, paths)
	if n := len(all); n >= maxAttempt || n < maxAttempt/4 {
		t.Fatalf("%d moments, want from %d to %d", n, maxAttempt/4, maxAttempt)
	}
	if all[0].Event != EventStart || all[len(all)-1].Event != EventEnd {
		t.Errorf("the series begins with %+v and ends with %+v", all[0], all[len(all)-1])
	}
	first, last := all[2].At.Sub(all[1].At), all[len(all)-2].At.Sub(all[len(all)-3].At)
	if first > 2*last || last > 2*first {
		t.Errorf("%s between the first moments, %s between the last", first, last)
	}
}

// A job that is started again and again has a bounded file.
func TestSeriesOfManyAttempts(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	for number := 1; number <= 16; number++ {
		attempt(t, paths, number, maxAttempt*3/4)
	}
	all := read(t, paths)
	if n := len(all); n >= maxMoments || n < maxMoments/4 {
		t.Fatalf("%d moments, want from %d to %d", n, maxMoments/4, maxMoments)
	}
	starts := count(all, func(m Moment) bool { return m.Event == EventStart })
	ends := count(all, func(m Moment) bool { return m.Event == EventEnd })
	if starts != 16 || ends != 16 {
		t.Errorf("%d starts and %d ends of 16 attempts", starts, ends)
	}
}

// Events stay, but a server that dies all the time does not make the series grow for ever.
func TestSeriesOfManyRestarts(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	s, err := OpenSeries(paths, 1)
	if err != nil {
		t.Fatal(err)
	}
	events := []Event{EventStart, EventServing}
	for range 3 * maxAttempt {
		events = append(events, EventRestart)
	}
	for i, e := range append(events, EventEnd) {
		if err := s.Append(Moment{At: begin.Add(time.Duration(i) * time.Second), Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := read(t, paths)
	if len(all) >= maxAttempt {
		t.Errorf("%d moments, want less than %d", len(all), maxAttempt)
	}
	if all[0].Event != EventStart || all[1].Event != EventServing || all[len(all)-1].Event != EventEnd {
		t.Errorf("an event other than a restart was dropped: %v %v … %v", all[0].Event, all[1].Event, all[len(all)-1].Event)
	}
}

// The size of the file is bounded, too: a moment of many GPUs is long.
func TestSeriesOfLongMoments(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	s, err := OpenSeries(paths, 1)
	if err != nil {
		t.Fatal(err)
	}
	long := []GPUMoment{{UUID: strings.Repeat("0", 64<<10)}}
	for i := range 2*maxSeriesBytes/(64<<10) - 1 {
		if err := s.Append(Moment{At: begin.Add(time.Duration(i) * time.Second), GPUs: long}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(paths.In(SeriesFile)); err != nil || info.Size() >= maxSeriesBytes || s.Period() == SeriesPeriod {
		t.Errorf("%d bytes, %v, period %s; want less than %d bytes and a longer period", info.Size(), err, s.Period(), maxSeriesBytes)
	}
}

// A kill cuts the last line at any byte: a reader leaves the line out, and the next attempt appends behind the whole lines.
func TestSeriesAfterAKill(t *testing.T) {
	t.Parallel()
	whole := seriesPaths(t)
	attempt(t, whole, 1, 1)
	content, err := os.ReadFile(whole.In(SeriesFile))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range content {
		paths := seriesPaths(t)
		if err := os.WriteFile(paths.In(SeriesFile), content[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(content[:cut]), "\n")
		if all := read(t, paths); len(all) != lines {
			t.Fatalf("cut at byte %d: %d moments of %d whole lines", cut, len(all), lines)
		}
		attempt(t, paths, 2, 0)
		if all := read(t, paths); len(all) != lines+2 {
			t.Fatalf("cut at byte %d: %d moments after the next attempt, want %d", cut, len(all), lines+2)
		}
	}
}

// Lines that an editor or a power failure broke are left out, and the others stay.
func TestDamagedSeries(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	attempt(t, paths, 1, 0)
	content, err := os.ReadFile(paths.In(SeriesFile))
	if err != nil {
		t.Fatal(err)
	}
	damaged := "\x00\x00\n{\"attempt\":\n\n{}\n[1]\n" + string(content)
	if err := os.WriteFile(paths.In(SeriesFile), []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	if all := read(t, paths); len(all) != 2 {
		t.Errorf("%d moments, want 2: %+v", len(all), all)
	}
}

// A link in the place of the series is not followed.
func TestSeriesIsNoLink(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	if err := os.Symlink("/dev/null", paths.In(SeriesFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSeries(paths, 1); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("error %v, want one that names the symbolic link", err)
	}
}

// Dropping the lines of an output drops its series.
func TestForgetDropsTheSeries(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	attempt(t, paths, 1, 1)
	if err := Forget(paths); err != nil {
		t.Fatal(err)
	}
	if all := read(t, paths); all != nil {
		t.Errorf("%d moments after Forget, want none", len(all))
	}
}

// A file of long events is bounded as well: no periodic moment is there to drop, and the period does not grow for nothing.
func TestSeriesOfLongEvents(t *testing.T) {
	t.Parallel()
	paths := seriesPaths(t)
	s, err := OpenSeries(paths, 1)
	if err != nil {
		t.Fatal(err)
	}
	long := []GPUMoment{{UUID: strings.Repeat("0", 512<<10)}}
	for i := range 2 * maxSeriesBytes / (512 << 10) {
		if err := s.Append(Moment{At: begin.Add(time.Duration(i) * time.Second), Event: EventServing, GPUs: long}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(paths.In(SeriesFile)); err != nil || info.Size() >= maxSeriesBytes || s.Period() != SeriesPeriod {
		t.Errorf("%d bytes, %v, period %s; want less than %d bytes and the first period", info.Size(), err, s.Period(), maxSeriesBytes)
	}
}
