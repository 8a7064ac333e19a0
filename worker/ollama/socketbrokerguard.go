package ollama

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// dialLimit limits a connect in the guard. On loopback a connect takes no time unless the server is stopped and its
// backlog is full.
const dialLimit = 30 * time.Second

// passSockets serves the worker's requests until the worker's end closes: it connects in the guard's network namespace
// and passes the sockets. A connect that hangs does not delay the others.
func passSockets(broker *net.UnixConn) {
	var passing sync.WaitGroup
	defer passing.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	packet := make([]byte, maxPacket)
	for {
		n, err := broker.Read(packet)
		if err != nil || n < idBytes {
			return
		}
		id, address := binary.BigEndian.Uint64(packet), string(packet[idBytes:n])
		passing.Go(func() { passSocket(ctx, broker, id, address) })
	}
}

// passSocket replies to one request with a connected socket or an error. It ignores a failed write: the worker is gone
// then, and the lifeline reports that.
func passSocket(ctx context.Context, broker *net.UnixConn, id uint64, address string) {
	dialer := net.Dialer{Timeout: dialLimit}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		broker.Write(refusedPacket(id, err))
		return
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		broker.Write(refusedPacket(id, err))
		return
	}
	head := append(binary.BigEndian.AppendUint64(nil, id), sayConnected)
	raw.Control(func(fd uintptr) {
		// The kernel rejects the message if the user has too many sockets in transit.
		if _, _, err := broker.WriteMsgUnix(head, syscall.UnixRights(int(fd)), nil); err != nil {
			broker.Write(refusedPacket(id, err))
		}
	})
}

// refusedPacket returns a reply with an error's number, for errors.Is on the worker's side, and its text.
func refusedPacket(id uint64, err error) []byte {
	var number syscall.Errno
	errors.As(err, &number)
	packet := append(binary.BigEndian.AppendUint64(nil, id), sayRefused)
	packet = append(binary.BigEndian.AppendUint32(packet, uint32(number)), err.Error()...)
	return packet[:min(len(packet), maxPacket)]
}
