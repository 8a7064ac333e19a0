package fakeollama

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// room is what the GPUs of a stand-in hold. What does not fit spills to the CPU, as it does with Ollama: without an error.
type room struct {
	slots   []int // of the first server on the GPU, of the second and so on
	servers int
	context int
	full    []string
	devices string // CUDA_VISIBLE_DEVICES
	folder  string // OLLAMA_MODELS, which all servers of a run share
	place   *os.File
}

// holds tells whether the GPUs hold all of a model with so many slots, each of so many tokens.
func (r *room) holds(slots, context int) bool {
	if len(r.slots) > 0 && slots > r.slots[min(r.started(), len(r.slots)-1)] {
		return false
	}
	if r.context > 0 && context > r.context {
		return false
	}
	for _, uuid := range strings.Split(r.devices, ",") {
		if slices.Contains(r.full, uuid) {
			return false
		}
	}
	return r.servers == 0 || r.takePlace()
}

// started counts the servers that were there before on the same GPUs.
func (r *room) started() int {
	f, err := os.OpenFile(filepath.Join(r.folder, "fakeollama-"+r.devices), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if _, writeErr := f.WriteString("."); err != nil || writeErr != nil {
		return 0
	}
	return int(info.Size())
}

// takePlace takes one of the places on the GPU, if one is left. A lock on a file ends with the process that has it.
func (r *room) takePlace() bool {
	for i := 0; r.place == nil && i < r.servers; i++ {
		f, err := os.OpenFile(filepath.Join(r.folder, fmt.Sprintf("fakeollama-%s-%d", r.devices, i)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return false
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			f.Close()
			continue
		}
		r.place = f
	}
	return r.place != nil
}
