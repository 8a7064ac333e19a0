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

// dialLimit bounds a connect inside. On loopback it takes no time, unless the server is stopped and its backlog full.
const dialLimit = 30 * time.Second

// passSockets connects inside for whoever asks at the hatch, until the worker's end is closed. A connect that hangs holds
// up no other.
func passSockets(hatch *net.UnixConn) {
	var passing sync.WaitGroup
	defer passing.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	packet := make([]byte, maxPacket)
	for {
		n, err := hatch.Read(packet)
		if err != nil || n < idBytes {
			return
		}
		id, address := binary.BigEndian.Uint64(packet), string(packet[idBytes:n])
		passing.Go(func() { passSocket(ctx, hatch, id, address) })
	}
}

// passSocket answers one request, by a connected socket or by what went wrong. A worker that does not hear the answer is
// gone, and the lifeline says so.
func passSocket(ctx context.Context, hatch *net.UnixConn, id uint64, address string) {
	dialer := net.Dialer{Timeout: dialLimit}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		hatch.Write(refusedPacket(id, err))
		return
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		hatch.Write(refusedPacket(id, err))
		return
	}
	head := append(binary.BigEndian.AppendUint64(nil, id), sayConnected)
	raw.Control(func(fd uintptr) {
		// The kernel refuses when more sockets are under way than a user may have open.
		if _, _, err := hatch.WriteMsgUnix(head, syscall.UnixRights(int(fd)), nil); err != nil {
			hatch.Write(refusedPacket(id, err))
		}
	})
}

// refusedPacket carries an error's number, for those who ask errors.Is, and its text.
func refusedPacket(id uint64, err error) []byte {
	var number syscall.Errno
	errors.As(err, &number)
	packet := append(binary.BigEndian.AppendUint64(nil, id), sayRefused)
	packet = append(binary.BigEndian.AppendUint32(packet, uint32(number)), err.Error()...)
	return packet[:min(len(packet), maxPacket)]
}
