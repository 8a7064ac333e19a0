package terminal

import "os"

// Colour is a colour of text; the zero value is the terminal's own.
type Colour string

// The colours, as the parameters of the terminal's control sequence.
const (
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Faint  Colour = "2"
)

// Colours writes text in colours. False writes every text in the terminal's own colour.
type Colours bool

// ColoursOf reports whether a file is a terminal with colours whose user wants colours; see no-color.org.
func ColoursOf(f *os.File) Colours { return Colours(Redraws(f) && os.Getenv("NO_COLOR") == "") }

// paint returns a text in a colour.
func (c Colours) paint(text string, colour Colour) string {
	if !c || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + string(colour) + "m" + text + "\x1b[0m"
}
