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

// Packets of the socket broker. The worker sends an id and an address. The guard replies with the id, a type byte, and
// either a socket in the control data or an error number with a text. The guard's first packet has no id.
const (
	idBytes   = 8
	maxPacket = 1024

	sayReady     = 'R'
	sayConnected = 'C'
	sayRefused   = 'X'
)

// readyTimeout is how long an isolated guard may take to report that its namespaces are ready. The limit is generous:
// on a busy node a process may wait seconds for its first time slice.
const readyTimeout = 20 * time.Second

// errBrokerLost means that the guard of an isolated server is gone, so that the server cannot be reached.
var errBrokerLost = errors.New("connect to isolated server: its guard is gone")

// errGuardSilent means that an isolated guard ended before it sent a packet.
var errGuardSilent = errors.New("its guard ended before it was ready")

// socketBroker is the worker's end of a socket pair. The worker cannot enter the namespaces of an isolated server, so
// the guard connects inside and passes the connected socket to the worker. Afterwards the worker talks to the server
// directly.
type socketBroker struct {
	conn     *net.UnixConn
	requests chan []byte
	lost     chan struct{} // closed when no more replies can come
	workers  sync.WaitGroup

	mu      sync.Mutex
	id      uint64
	waiting map[uint64]chan brokerReply
}

// brokerReply is the guard's reply to one request.
type brokerReply struct {
	conn net.Conn
	err  error
}

// brokerError is an error that happened in the guard.
type brokerError struct {
	number syscall.Errno // 0 if the error has no number
	text   string
}

func (e *brokerError) Error() string { return e.text }

func (e *brokerError) Unwrap() error {
	if e.number == 0 {
		return nil
	}
	return e.number
}

// socketPair returns the two ends of a socket broker. The socket type keeps packet borders, and each side sees when the
// other side closes.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "socketbroker"), os.NewFile(uintptr(fds[1]), "socketbroker"), nil
}

// openBroker waits until the guard reports that its namespaces are ready. The error is the guard's reason if they are
// not.
func openBroker(end *os.File) (*socketBroker, error) {
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
	b := &socketBroker{conn: conn, requests: make(chan []byte), lost: make(chan struct{}), waiting: make(map[uint64]chan brokerReply)}
	b.workers.Go(b.read)
	b.workers.Go(b.write)
	return b, nil
}

func awaitReady(conn *net.UnixConn) error {
	conn.SetReadDeadline(time.Now().Add(readyTimeout))
	packet := make([]byte, maxPacket)
	n, err := conn.Read(packet)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("its guard did not become ready within %s", readyTimeout)
	case err != nil || n == 0:
		return errGuardSilent
	case packet[0] == sayRefused:
		return errors.New(string(packet[1:n]))
	}
	return conn.SetReadDeadline(time.Time{})
}

// dial returns a socket that is connected to an address in the server's network namespace.
func (b *socketBroker) dial(ctx context.Context, address string) (net.Conn, error) {
	if len(address) > maxPacket-idBytes {
		return nil, fmt.Errorf("connect to isolated server: address %.40q… is too long", address)
	}
	id, answer := b.expect()
	select {
	case b.requests <- append(binary.BigEndian.AppendUint64(nil, id), address...):
	case <-b.lost:
	case <-ctx.Done():
	}
	select {
	case p := <-answer:
		return p.conn, p.err
	case <-b.lost:
		b.forget(id, answer)
		return nil, errBrokerLost
	case <-ctx.Done():
		b.forget(id, answer)
		return nil, fmt.Errorf("connect to isolated server: %w", ctx.Err())
	}
}

// expect registers a request. The channel has room for the reply, so the reader never waits for the caller.
func (b *socketBroker) expect() (uint64, chan brokerReply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.id++
	answer := make(chan brokerReply, 1)
	b.waiting[b.id] = answer
	return b.id, answer
}

// forget cancels a request. It closes a socket that arrived meanwhile.
func (b *socketBroker) forget(id uint64, answer chan brokerReply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, id)
	select {
	case p := <-answer:
		if p.conn != nil {
			p.conn.Close()
		}
	default:
	}
}

// write sends the requests. It has its own goroutine because a stopped guard reads nothing, and a caller of dial must
// still be able to give up.
func (b *socketBroker) write() {
	for {
		select {
		case packet := <-b.requests:
			if _, err := b.conn.Write(packet); err != nil {
				return // the reader sees the close, too
			}
		case <-b.lost:
			return
		}
	}
}

// read delivers replies to the callers of dial until the guard ends.
func (b *socketBroker) read() {
	defer close(b.lost)
	for {
		id, p, err := b.receive()
		if err != nil {
			return
		}
		b.mu.Lock()
		answer, there := b.waiting[id]
		if there {
			answer <- p
			delete(b.waiting, id)
		} else if p.conn != nil {
			p.conn.Close()
		}
		b.mu.Unlock()
	}
}

// receive reads one reply. An error means that the broker is lost.
func (b *socketBroker) receive() (id uint64, p brokerReply, err error) {
	packet, control := make([]byte, maxPacket), make([]byte, syscall.CmsgSpace(4))
	n, c, _, _, err := b.conn.ReadMsgUnix(packet, control)
	if err != nil {
		return 0, brokerReply{}, err
	}
	if n <= idBytes {
		return 0, brokerReply{}, errors.New("malformed reply")
	}
	id, packet = binary.BigEndian.Uint64(packet), packet[idBytes:n]
	switch {
	case packet[0] == sayConnected:
		p.conn, p.err = adopt(control[:c])
	case packet[0] == sayRefused && len(packet) >= 5:
		p.err = &brokerError{number: syscall.Errno(binary.BigEndian.Uint32(packet[1:])), text: string(packet[5:])}
	default:
		err = errors.New("malformed reply")
	}
	return id, p, err
}

// adopt returns the connection for the socket in a reply's control data.
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
	// The kernel drops the socket if this process has no free file descriptor.
	return nil, fmt.Errorf("connect to isolated server: %w", syscall.EMFILE)
}

// close closes the broker and waits for its goroutines.
func (b *socketBroker) close() {
	b.conn.Close()
	b.workers.Wait()
}
