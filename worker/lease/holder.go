package lease

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Holder is who has a lease. It stands in the lock, for people and for other processes.
type Holder struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Job is the SLURM job, with array task and rank where there are some; empty outside of SLURM. Restart counts how
	// often SLURM has started it again.
	Job     string `json:"job,omitempty"`
	Restart int    `json:"restart"`

	// Node tells apart what a host's name may not: the kernel's boot and the PID namespace. Began is when the process did,
	// in clock ticks since the boot, since a PID is used again.
	Node  string `json:"node"`
	Began string `json:"began"`
	// Nonce is different in each process that ever held a lease.
	Nonce string `json:"nonce"`
}

// Self is this process. Job and restart are what SLURM says of it.
func Self(job string, restart int) Holder {
	h := Holder{PID: os.Getpid(), Job: job, Restart: restart, Node: thisNode(), Nonce: rand.Text()}
	h.Host, _ = os.Hostname()         // for people
	h.Began, _ = startOf(os.Getpid()) // empty where there is no /proc, and then nothing is judged by it
	return h
}

// thisNode is empty where the system does not tell: then no process of another holder is taken for dead.
func thisNode() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + namespace
}

// startOf is when a process began; false where it is gone.
func startOf(pid int) (string, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before may hold anything
	if len(fields) < 20 || string(fields[0]) == "Z" {
		return "", false
	}
	return string(fields[19]), true
}

// Gone tells why a holder cannot come back, as far as that is certain at once; empty where it is not.
func (h Holder) Gone(self Holder) string {
	if h.Job != "" && h.Job == self.Job && h.Restart < self.Restart {
		return "SLURM has started its job again"
	}
	if h.dead(self) {
		return "its process is gone"
	}
	return ""
}

// dead tells whether a holder was a process of this node that is there no more. It is false where that is not certain.
func (h Holder) dead(self Holder) bool {
	if h.Node == "" || h.Node != self.Node || h.Began == "" {
		return false
	}
	began, alive := startOf(h.PID)
	if !alive && errors.Is(syscall.Kill(h.PID, 0), syscall.EPERM) {
		return false // another user's, which /proc may hide
	}
	return !alive || began != h.Began
}

// String names the holder for people.
func (h Holder) String() string {
	if h == (Holder{}) {
		return "an unknown process"
	}
	s := fmt.Sprintf("process %d on %s", h.PID, h.Host)
	if h.Job != "" {
		s += fmt.Sprintf(", job %s", h.Job)
	}
	return s
}
