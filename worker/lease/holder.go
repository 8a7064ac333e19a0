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

// Holder identifies the process that holds a lease. The lock contains it, for users and for other processes.
type Holder struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Job is the SLURM job, with its array task and rank if it has them; empty outside SLURM. Restart is how often
	// SLURM has restarted the job.
	Job     string `json:"job,omitempty"`
	Restart int    `json:"restart"`

	// Node is the kernel's boot id and the PID namespace, because host names may not be unique. Began is the start of
	// the process in clock ticks since the boot, because PIDs are reused.
	Node  string `json:"node"`
	Began string `json:"began"`
	// Nonce is unique among all processes that ever held a lease.
	Nonce string `json:"nonce"`
}

// Self returns the Holder of this process. Job and restart come from SLURM.
func Self(job string, restart int) Holder {
	h := Holder{PID: os.Getpid(), Job: job, Restart: restart, Node: thisNode(), Nonce: rand.Text()}
	h.Host, _ = os.Hostname()         // for users only
	h.Began, _ = startOf(os.Getpid()) // empty without /proc; then Began is not used
	return h
}

// thisNode returns the Node of this process. It is empty if the system does not provide it; then no other holder counts
// as dead.
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

// startOf returns the start of a process; ok is false if the process is gone.
func startOf(pid int) (string, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the process name before ')' may hold any character
	if len(fields) < 20 || string(fields[0]) == "Z" {
		return "", false
	}
	return string(fields[19]), true
}

// Gone returns why a holder certainly cannot come back, or "" if that is not certain.
func (h Holder) Gone(self Holder) string {
	if h.Job != "" && h.Job == self.Job && h.Restart < self.Restart {
		return "SLURM has restarted its job"
	}
	if h.dead(self) {
		return "its process is gone"
	}
	return ""
}

// dead reports whether the holder was a process of this node that certainly does not exist any more.
func (h Holder) dead(self Holder) bool {
	if h.Node == "" || h.Node != self.Node || h.Began == "" {
		return false
	}
	began, alive := startOf(h.PID)
	if !alive && errors.Is(syscall.Kill(h.PID, 0), syscall.EPERM) {
		return false // a process of another user, which /proc may hide
	}
	return !alive || began != h.Began
}

// String names the holder in messages.
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
