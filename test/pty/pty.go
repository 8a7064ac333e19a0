// Package pty gives tests a terminal: a program runs on it, and the test sees what a person would see.
package pty

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fluxworker/test/await"
)

// Terminal is a pseudo-terminal with a window.
type Terminal struct {
	t             testing.TB
	master, slave *os.File
	ended         chan struct{}

	mu     sync.Mutex
	screen screen
}

// Open opens a terminal whose window has so many columns and lines. The end of the test closes it.
func Open(t testing.TB, columns, lines int) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &Terminal{t: t, master: master, ended: make(chan struct{})}
	number := 0
	p.control(func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if p.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	p.Resize(columns, lines)
	go p.read()
	t.Cleanup(p.Close)
	return p
}

func (p *Terminal) control(f func(fd int) error) {
	p.t.Helper()
	raw, err := p.master.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = f(int(fd)) })
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *Terminal) read() {
	defer close(p.ended)
	in := bufio.NewReader(p.master)
	for {
		c, _, err := in.ReadRune()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.screen.take(c)
		p.mu.Unlock()
	}
}

// File is the terminal, for a program in this process.
func (p *Terminal) File() *os.File { return p.slave }

// Start starts a program on the terminal, as the first of its session. The streams that the command has stay as they are.
func (p *Terminal) Start(cmd *exec.Cmd) {
	p.t.Helper()
	cmd.Stdin = p.slave
	if cmd.Stdout == nil {
		cmd.Stdout = p.slave
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.slave
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// Resize changes the size of the window.
func (p *Terminal) Resize(columns, lines int) {
	p.t.Helper()
	p.mu.Lock()
	p.screen.resize(columns, lines)
	p.mu.Unlock()
	p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(lines)})
	})
}

// Type types keys.
func (p *Terminal) Type(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// Close closes the terminal as its window does: its programs get SIGHUP.
func (p *Terminal) Close() {
	p.slave.Close()
	p.master.Close()
	<-p.ended
}

// View returns what the terminal shows now.
func (p *Terminal) View() View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.view()
}

// Await waits until the view is as the test wants it, and returns it.
func (p *Terminal) Await(what string, shown func(View) bool) (v View) {
	p.t.Helper()
	seen := false
	defer func() {
		if !seen {
			p.t.Logf("the terminal shows\n%s", v.Text())
		}
	}()
	await.Until(p.t, what, func() bool {
		v = p.View()
		seen = shown(v)
		return seen
	})
	return v
}

// Echoes reports whether the terminal shows what a user types, and sends signals for Ctrl-C, as a shell expects.
func (p *Terminal) Echoes() (echoes bool) {
	p.t.Helper()
	p.control(func(fd int) error {
		settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			echoes = settings.Lflag&unix.ECHO != 0 && settings.Lflag&unix.ISIG != 0 && settings.Oflag&unix.OPOST != 0
		}
		return err
	})
	return echoes
}
