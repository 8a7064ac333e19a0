package ollama

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// The packets of the hatch. The worker asks with an id and an address. The guard answers with the id, one byte that says
// what comes, and either a socket in the control data or an error's number and text. The guard's first packet has no id.
const (
	idBytes   = 8
	maxPacket = 1024

	sayReady     = 'R'
	sayConnected = 'C'
	sayRefused   = 'X'
)

// settleLimit is how long an isolated guard may take to say that its namespaces are ready. It is generous: on a crowded
// node a process may wait seconds for its first turn.
const settleLimit = 20 * time.Second

// errHatchLost means that an isolated server cannot be reached any more.
var errHatchLost = errors.New("connect to isolated server: its guard is gone")

// errGuardSilent is an isolated guard that ended without a word at the hatch.
var errGuardSilent = errors.New("its guard ended before it was ready")

// hatch is the worker's end of a socket pair. The worker cannot enter the namespaces of an isolated server, so the guard
// connects inside and passes the connected sockets out. Nothing stands between worker and server after that.
type hatch struct {
	conn     *net.UnixConn
	requests chan []byte
	lost     chan struct{} // closed when nothing can come any more
	workers  sync.WaitGroup

	mu      sync.Mutex
	id      uint64
	waiting map[uint64]chan passed
}

// passed is the guard's answer to one request.
type passed struct {
	conn net.Conn
	err  error
}

// passedError is an error that happened inside.
type passedError struct {
	number syscall.Errno // 0 where it had none
	text   string
}

func (e *passedError) Error() string { return e.text }

func (e *passedError) Unwrap() error {
	if e.number == 0 {
		return nil
	}
	return e.number
}

// socketPair makes the two ends of a hatch. Packets keep their borders, and the end of either side is seen by the other.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "hatch"), os.NewFile(uintptr(fds[1]), "hatch"), nil
}

// openHatch waits until the guard says that its namespaces are ready. The error is its reason why they are not.
func openHatch(end *os.File) (*hatch, error) {
	defer end.Close()
	c, err := net.FileConn(end)
	if err != nil {
		return nil, err
	}
	conn := c.(*net.UnixConn)
	if err := awaitReady(conn); err != nil {
		conn.Close()
		return nil, err
	}
	h := &hatch{conn: conn, requests: make(chan []byte), lost: make(chan struct{}), waiting: make(map[uint64]chan passed)}
	h.workers.Go(h.read)
	h.workers.Go(h.write)
	return h, nil
}

func awaitReady(conn *net.UnixConn) error {
	conn.SetReadDeadline(time.Now().Add(settleLimit))
	packet := make([]byte, maxPacket)
	n, err := conn.Read(packet)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("its guard did not become ready within %s", settleLimit)
	case err != nil || n == 0:
		return errGuardSilent
	case packet[0] == sayRefused:
		return errors.New(string(packet[1:n]))
	}
	return conn.SetReadDeadline(time.Time{})
}

// dial gets a socket that is connected to an address inside.
func (h *hatch) dial(ctx context.Context, address string) (net.Conn, error) {
	if len(address) > maxPacket-idBytes {
		return nil, fmt.Errorf("connect to isolated server: address %.40q… is too long", address)
	}
	id, answer := h.expect()
	select {
	case h.requests <- append(binary.BigEndian.AppendUint64(nil, id), address...):
	case <-h.lost:
	case <-ctx.Done():
	}
	select {
	case p := <-answer:
		return p.conn, p.err
	case <-h.lost:
		h.forget(id, answer)
		return nil, errHatchLost
	case <-ctx.Done():
		h.forget(id, answer)
		return nil, fmt.Errorf("connect to isolated server: %w", ctx.Err())
	}
}

// expect registers a request. There is room for the answer, so that nobody has to wait for who asked.
func (h *hatch) expect() (uint64, chan passed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.id++
	answer := make(chan passed, 1)
	h.waiting[h.id] = answer
	return h.id, answer
}

// forget gives a request up. A socket that came meanwhile is closed.
func (h *hatch) forget(id uint64, answer chan passed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, id)
	select {
	case p := <-answer:
		if p.conn != nil {
			p.conn.Close()
		}
	default:
	}
}

// write hands requests over. It is alone with that because a guard that was stopped reads nothing, and whoever dials must
// be able to give up meanwhile.
func (h *hatch) write() {
	for {
		select {
		case packet := <-h.requests:
			if _, err := h.conn.Write(packet); err != nil {
				return // the reader sees the end, too
			}
		case <-h.lost:
			return
		}
	}
}

// read hands answers to those who wait for them, to the end of the guard.
func (h *hatch) read() {
	defer close(h.lost)
	for {
		id, p, err := h.receive()
		if err != nil {
			return
		}
		h.mu.Lock()
		answer, there := h.waiting[id]
		if there {
			answer <- p
			delete(h.waiting, id)
		} else if p.conn != nil {
			p.conn.Close()
		}
		h.mu.Unlock()
	}
}

// receive reads one answer. Its error is the hatch's end.
func (h *hatch) receive() (id uint64, p passed, err error) {
	packet, control := make([]byte, maxPacket), make([]byte, syscall.CmsgSpace(4))
	n, c, _, _, err := h.conn.ReadMsgUnix(packet, control)
	if err != nil {
		return 0, passed{}, err
	}
	if n <= idBytes {
		return 0, passed{}, errors.New("no answer")
	}
	id, packet = binary.BigEndian.Uint64(packet), packet[idBytes:n]
	switch {
	case packet[0] == sayConnected:
		p.conn, p.err = adopt(control[:c])
	case packet[0] == sayRefused && len(packet) >= 5:
		p.err = &passedError{number: syscall.Errno(binary.BigEndian.Uint32(packet[1:])), text: string(packet[5:])}
	default:
		err = errors.New("no answer")
	}
	return id, p, err
}

// adopt makes a connection of the socket that came with an answer.
func adopt(control []byte) (net.Conn, error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("connect to isolated server: %w", err)
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil || len(fds) == 0 {
			continue
		}
		file := os.NewFile(uintptr(fds[0]), "server")
		defer file.Close()
		conn, err := net.FileConn(file)
		if err != nil {
			return nil, fmt.Errorf("connect to isolated server: %w", err)
		}
		return conn, nil
	}
	// The kernel takes the socket away from a process that has no room for it.
	return nil, fmt.Errorf("connect to isolated server: %w", syscall.EMFILE)
}

// close ends the hatch and waits until nothing of it is left.
func (h *hatch) close() {
	h.conn.Close()
	h.workers.Wait()
}
