package slurm

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Pipe is a named pipe through which the processes of a job tell the test what they do, so that it waits for events
// and not for files.
type Pipe struct {
	// Path is the pipe's file; it is free of spaces if the folder's path is.
	Path string

	file  *os.File
	lines *bufio.Reader
}

// NewPipe makes a pipe in folder dir.
func NewPipe(t testing.TB, dir string) *Pipe {
	t.Helper()
	p := &Pipe{Path: filepath.Join(dir, "events."+letters(6))}
	if err := unix.Mkfifo(p.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Opened for writing too: there is then no end of file while no job has it open.
	f, err := os.OpenFile(p.Path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p.file, p.lines = f, bufio.NewReader(f)
	return p
}

// Line returns the next line that a job has written. It fails the test after two minutes.
func (p *Pipe) Line(t testing.TB) string {
	t.Helper()
	p.file.SetReadDeadline(time.Now().Add(waitLimit))
	line, err := p.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("wait for a line of a job: %v (it has written %q)", err, line)
	}
	return strings.TrimSuffix(line, "\n")
}

// None fails the test where a job has written something that no one has read.
func (p *Pipe) None(t testing.TB) {
	t.Helper()
	p.file.SetReadDeadline(time.Now().Add(time.Millisecond))
	if line, err := p.lines.ReadString('\n'); err == nil {
		t.Errorf("unexpected line of a job: %q", line)
	}
}
