package fakeollama

import (
	"net"
	"sync"
	"time"
)

// pauseTime is how long the listener is closed after a refused fault.
const pauseTime = 100 * time.Millisecond

// listener is a listener that can be paused; during the pause connections are refused.
type listener struct {
	address net.Addr
	closed  chan struct{}

	mu     sync.Mutex
	inner  net.Listener
	paused bool
}

func newListener(inner net.Listener) *listener {
	return &listener{address: inner.Addr(), closed: make(chan struct{}), inner: inner}
}

// pause closes the listener for a while. Existing connections stay open.
func (l *listener) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.paused {
		l.paused = true
		l.inner.Close()
	}
}

// Accept waits for a connection. It reopens a paused listener after pauseTime.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		inner := l.inner
		l.mu.Unlock()
		conn, err := inner.Accept()
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(pauseTime):
		case <-l.closed:
			return nil, err
		}
		if err := l.open(); err != nil {
			return nil, err
		}
	}
}

func (l *listener) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	inner, err := net.Listen("tcp", l.address.String())
	if err != nil {
		return err
	}
	select {
	case <-l.closed:
		return inner.Close()
	default:
	}
	l.inner, l.paused = inner, false
	return nil
}

// Addr returns the address, also during a pause.
func (l *listener) Addr() net.Addr { return l.address }

// Close closes the listener permanently. It may be called several times.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
		close(l.closed)
		return l.inner.Close()
	}
}
