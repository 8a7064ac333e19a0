package fakeollama

import (
	"net"
	"sync"
	"time"
)

// shutFor is how long nobody listens after a refused fault.
const shutFor = 100 * time.Millisecond

// door is a listener that can be shut for a while: whoever connects meanwhile is refused.
type door struct {
	address net.Addr
	closed  chan struct{}

	mu    sync.Mutex
	inner net.Listener
	shuts bool
}

func newDoor(inner net.Listener) *door {
	return &door{address: inner.Addr(), closed: make(chan struct{}), inner: inner}
}

// shut returns when nobody listens any more. Connections that are there stay.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.shuts {
		d.shuts = true
		d.inner.Close()
	}
}

// Accept waits for a connection, and opens a door that is shut when its time has come.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		inner := d.inner
		d.mu.Unlock()
		conn, err := inner.Accept()
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(shutFor):
		case <-d.closed:
			return nil, err
		}
		if err := d.open(); err != nil {
			return nil, err
		}
	}
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	inner, err := net.Listen("tcp", d.address.String())
	if err != nil {
		return err
	}
	select {
	case <-d.closed:
		return inner.Close()
	default:
	}
	d.inner, d.shuts = inner, false
	return nil
}

// Addr is where it listens, or will again.
func (d *door) Addr() net.Addr { return d.address }

// Close ends it for good. It is called once or more.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closed:
		return nil
	default:
		close(d.closed)
		return d.inner.Close()
	}
}
