package slurm

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// ports are TCP ports that no other cluster of this machine takes while they are held: a daemon binds its own only a
// while after it was found free. Each is held by an abstract socket of its number, which the kernel frees with the
// test program, however that ends.
type ports struct {
	numbers []int
	holders []net.Listener
}

// holdPorts finds n free ports below the ports that the kernel gives to outgoing connections.
func holdPorts(n int) (*ports, error) {
	const first, count = 20000, 12000
	p := &ports{}
	for range 1000 {
		if len(p.numbers) == n {
			return p, nil
		}
		port := first + rand.IntN(count)
		holder, err := net.Listen("unix", "@fluxworker-test-slurm-"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		probe, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			holder.Close()
			continue
		}
		probe.Close()
		p.numbers, p.holders = append(p.numbers, port), append(p.holders, holder)
	}
	p.release()
	return nil, fmt.Errorf("find %d free ports from %d to %d: too few", n, first, first+count-1)
}

func (p *ports) release() {
	for _, h := range p.holders {
		h.Close()
	}
}
