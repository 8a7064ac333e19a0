package terminal

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// The control sequences of xterm, which other terminals understand as well. While the second screen is shown, the text of the
// first screen stays as it is. No line wraps while the window becomes narrower.
const (
	enter = "\x1b[?1049h\x1b[?25l\x1b[?7l" // second screen, no cursor, no wrapping
	leave = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
	home  = "\x1b[H"
	// clearLine and clearBelow clear what the frame before has left.
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// ctrlC is the character of Ctrl-C, which sends no signal while the terminal is raw.
const ctrlC = 3

// Screen is the second screen of a terminal. Its owner calls Close.
type Screen struct {
	out     *os.File
	keys    *os.File // the terminal; nil where it cannot be opened, and Ctrl-C sends its signal
	before  *term.State
	resized chan os.Signal
	quit    chan struct{}
	ended   chan struct{}
}

// OpenScreen shows the second screen of a terminal. From then on the terminal does not show what a user types.
func OpenScreen(out *os.File) (*Screen, error) {
	s := &Screen{out: out, resized: make(chan os.Signal, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	signal.Notify(s.resized, syscall.SIGWINCH)
	s.openKeys()
	go s.read()
	if _, err := out.WriteString(enter); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openKeys opens the terminal a second time, for reads that end when the file is closed. Reads of standard input do not.
func (s *Screen) openKeys() {
	keys, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	control(keys, func(fd int) { s.before, err = term.MakeRaw(fd) })
	if err != nil {
		keys.Close()
		return
	}
	s.keys = keys
}

// control calls f with the descriptor of a file. File.Fd would make its reads wait for ever.
func control(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { f(int(fd)) }) // fails only for a closed file
	}
}

// read reads keys until the file is closed, and reports a key that quits and the end of the terminal.
func (s *Screen) read() {
	defer close(s.ended)
	if s.keys == nil {
		return
	}
	for keys := make([]byte, 64); ; {
		n, err := s.keys.Read(keys)
		if err != nil || strings.ContainsAny(string(keys[:n]), "qQ"+string(rune(ctrlC))) {
			close(s.quit)
			return
		}
	}
}

// Quit is closed when the user types q or Ctrl-C, and when the terminal is closed.
func (s *Screen) Quit() <-chan struct{} { return s.quit }

// Resized receives a value when the window has another size.
func (s *Screen) Resized() <-chan os.Signal { return s.resized }

// Size returns the columns and lines that a frame may have. No frame uses the last column: a line that fills the window has
// no room for the cursor.
func (s *Screen) Size() (columns, lines int) {
	columns, lines = size(s.out)
	return columns - 1, lines
}

// Draw replaces the frame on the screen, in one write.
func (s *Screen) Draw(frame []string) error {
	_, err := s.out.WriteString(home + strings.Join(frame, clearLine+"\r\n") + clearLine + clearBelow)
	return err
}

// Close shows the first screen again, with the text and the settings that the terminal had before.
func (s *Screen) Close() error {
	signal.Stop(s.resized)
	_, err := s.out.WriteString(leave)
	if s.keys != nil {
		control(s.keys, func(fd int) { err = errors.Join(err, term.Restore(fd, s.before)) })
		err = errors.Join(err, s.keys.Close())
	}
	<-s.ended
	return err
}
