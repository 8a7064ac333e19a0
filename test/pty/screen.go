package pty

import (
	"strings"
	"unicode/utf8"
)

// View is what a terminal shows at one moment.
type View struct {
	Lines   []string // without the spaces at their ends
	Second  bool     // the second screen is shown, which keeps no text
	Cursor  bool     // the cursor is visible
	Wraps   bool     // a text longer than a line goes on in the next line
	Colour  bool     // text would be in a colour now
	Painted bool     // text was in a colour at some time
	Longest int      // the largest number of columns that any text has reached, in the window of this size
	Unknown string   // control sequences that the emulation does not know
}

// Text returns the lines as one text.
func (v View) Text() string { return strings.Join(v.Lines, "\n") }

// Has reports whether the terminal shows all texts.
func (v View) Has(texts ...string) bool {
	for _, text := range texts {
		if !strings.Contains(v.Text(), text) {
			return false
		}
	}
	return true
}

// Clean reports whether a program has left the terminal as a shell expects it.
func (v View) Clean() bool { return !v.Second && v.Cursor && v.Wraps && !v.Colour && v.Unknown == "" }

// screen emulates as much of a terminal as fluxworker uses. A character beyond the last column stays there, so that the test sees it.
type screen struct {
	columns, lines int
	cells, first   [][]rune // first has the text of the first screen while the second is shown
	x, y           int
	firstX, firstY int
	sequence       []rune // the control sequence so far; nil outside
	hidden, cut    bool
	colour         bool
	painted        bool
	longest        int
	unknown        string
}

func (s *screen) resize(columns, lines int) {
	s.columns, s.lines, s.longest = columns, lines, 0
	s.scroll()
}

// scroll keeps the cursor within the window.
func (s *screen) scroll() {
	for len(s.cells) < s.lines {
		s.cells = append(s.cells, nil)
	}
	for s.y >= s.lines {
		s.y--
		s.cells = append(s.cells[1:], nil)
	}
	s.cells = s.cells[:s.lines]
}

func (s *screen) take(c rune) {
	switch {
	case s.sequence != nil:
		if s.sequence = append(s.sequence, c); c >= '@' && c != '[' {
			s.control(string(s.sequence[1:]))
			s.sequence = nil
		}
	case c == '\x1b':
		s.sequence = []rune{}
		s.sequence = append(s.sequence, c)
	case c == '\r':
		s.x = 0
	case c == '\n':
		s.y++
		s.scroll()
	default:
		s.put(c)
	}
}

func (s *screen) put(c rune) {
	line := s.cells[s.y]
	for len(line) <= s.x {
		line = append(line, ' ')
	}
	line[s.x] = c
	s.cells[s.y] = line
	s.x++
	if c != ' ' {
		s.longest = max(s.longest, s.x)
	}
}

func (s *screen) control(sequence string) {
	switch sequence {
	case "[H":
		s.x, s.y = 0, 0
	case "[K":
		if s.x < len(s.cells[s.y]) {
			s.cells[s.y] = s.cells[s.y][:s.x]
		}
	case "[J":
		s.control("[K")
		clear(s.cells[s.y+1:])
	case "[?1049h":
		s.first, s.firstX, s.firstY = s.cells, s.x, s.y
		s.cells, s.x, s.y = nil, 0, 0
		s.scroll()
	case "[?1049l":
		s.cells, s.x, s.y, s.first = s.first, s.firstX, s.firstY, nil
		s.scroll()
	case "[?25l", "[?25h":
		s.hidden = sequence == "[?25l"
	case "[?7l", "[?7h":
		s.cut = sequence == "[?7l"
	case "[m", "[0m":
		s.colour = false
	default:
		if strings.HasSuffix(sequence, "m") {
			s.colour, s.painted = true, true
		} else {
			s.unknown += sequence + " "
		}
	}
}

func (s *screen) view() View {
	v := View{
		Second: s.first != nil, Cursor: !s.hidden, Wraps: !s.cut, Colour: s.colour, Painted: s.painted, Longest: s.longest, Unknown: s.unknown,
	}
	for _, line := range s.cells {
		v.Lines = append(v.Lines, strings.TrimRight(string(line), " \x00"+string(rune(utf8.RuneError))))
	}
	return v
}
