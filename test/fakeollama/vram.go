package fakeollama

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// vram describes the memory of the stand-in's GPUs. As in Ollama, a model that does not fit spills to the CPU without
// an error.
type vram struct {
	slots   []int // for the first server on the GPU, the second and so on
	servers int
	context int
	full    []string
	devices string // CUDA_VISIBLE_DEVICES
	folder  string // OLLAMA_MODELS, shared by all servers of a run
	share   *os.File
}

// holds reports whether the GPUs hold a whole model with the given slots and tokens per slot.
func (v *vram) holds(slots, context int) bool {
	if len(v.slots) > 0 && slots > v.slots[min(v.started(), len(v.slots)-1)] {
		return false
	}
	if v.context > 0 && context > v.context {
		return false
	}
	for _, uuid := range strings.Split(v.devices, ",") {
		if slices.Contains(v.full, uuid) {
			return false
		}
	}
	return v.servers == 0 || v.takeShare()
}

// started counts the earlier servers on the same GPUs.
func (v *vram) started() int {
	f, err := os.OpenFile(filepath.Join(v.folder, "fakeollama-"+v.devices), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
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

// takeShare takes one of the shares of the GPU, if one is left. The lock on its file ends with the process.
func (v *vram) takeShare() bool {
	for i := 0; v.share == nil && i < v.servers; i++ {
		f, err := os.OpenFile(filepath.Join(v.folder, fmt.Sprintf("fakeollama-%s-%d", v.devices, i)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return false
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			f.Close()
			continue
		}
		v.share = f
	}
	return v.share != nil
}
