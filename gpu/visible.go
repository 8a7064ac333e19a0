package gpu

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNone means that this process has no usable GPU. The wrapping error gives the reason.
var ErrNone = errors.New("no usable GPU")

// ErrNotAllocated means that the SLURM job requested no GPU. An error that wraps it also wraps ErrNone.
var ErrNotAllocated = errors.New("SLURM gave this job no GPU: request one with --gres=gpu:1 (a salloc shell has no GPU, its srun steps have)")

// Allocation holds the devices that this process may use.
type Allocation struct {
	// Devices are GPUs and MIG instances, in CUDA's order. Each can serve its own server process. One process can use
	// several GPUs, but only one MIG instance.
	Devices []Device
	// From is the source of the decision: the name of an environment variable, or "all GPUs of the node".
	From string
	// Unusable describes each allocated device that cannot be used, and the reason.
	Unusable []string
	// Warnings describes possibly unintended settings in the environment.
	Warnings []string
}

const fromAll = "all GPUs of the node"

// Allocated returns the devices of the node that this process may use, according to its environment ("NAME=value"
// strings). It follows the documentation of the CUDA runtime and of SLURM. Where both are silent, it follows PyTorch's
// parser, which is tested against the driver:
//
//   - CUDA_VISIBLE_DEVICES unset: all devices; in a SLURM job only those of SLURM_STEP_GPUS or SLURM_JOB_GPUS, and none
//     (ErrNotAllocated) if neither is set. Empty: none.
//   - The first entry decides the kind of the list: indices, GPU- UUIDs or MIG- UUIDs. The list ends at an entry of
//     another kind, at -1, at an index without a device, at a UUID prefix of no or several devices, and at an empty
//     entry; the entries before it are valid. A device that occurs twice makes the whole list invalid.
//   - A UUID may be abbreviated if it is a prefix of one device only. MIG-GPU-<uuid>/<gi>/<ci>, of drivers before R470,
//     needs the complete UUID of the GPU.
//   - An index counts the devices that this process can open, in PCI bus order: with SLURM's ConstrainDevices, devices
//     of other jobs do not count. CUDA itself starts with the fastest device unless CUDA_DEVICE_ORDER=PCI_BUS_ID; if
//     the node has different devices and this variable is not set, there is a warning.
//   - An index or UUID of a GPU with MIG means its first usable instance, as in CUDA. Without CUDA_VISIBLE_DEVICES all
//     its instances are usable, because every server gets its own.
//   - A lost device keeps its index, is not in Devices, and is described in Unusable.
//
// The error wraps ErrNone. Unusable and Warnings are also set with an error.
func Allocated(env []string, r Report) (Allocation, error) {
	vars := environ(env)
	n := newNode(r)
	list, set := vars.get("CUDA_VISIBLE_DEVICES")
	slurm, inJob := vars.slurm()

	if inJob && slurm.name == "" && (!set || namesNothing(list)) {
		return Allocation{From: "SLURM"}, fmt.Errorf("%w: %w", ErrNone, ErrNotAllocated)
	}
	if len(n.cards) == 0 {
		return Allocation{From: fromAll}, fmt.Errorf("%w: the driver shows no GPU", ErrNone)
	}
	if len(n.open()) == 0 {
		return Allocation{From: fromAll}, fmt.Errorf("%w: all %d GPUs of this node belong to other jobs", ErrNone, len(n.cards))
	}

	var a Allocation
	var err error
	switch {
	case set:
		order, _ := vars.get("CUDA_DEVICE_ORDER")
		a, err = n.cudaList(list, strings.TrimSpace(order) == "PCI_BUS_ID")
	case inJob:
		a, err = n.slurmList(slurm)
	default:
		a = Allocation{From: fromAll}
		for _, c := range n.open() {
			a.takeAll(c)
		}
	}
	if err != nil {
		a.Devices = nil
		return a, err
	}
	if len(a.Devices) == 0 {
		why := "none is named by " + a.From
		if set && strings.TrimSpace(list) == "" {
			why = "CUDA_VISIBLE_DEVICES is empty"
		}
		if len(a.Unusable) > 0 {
			why = strings.Join(a.Unusable, "; ")
		} else if len(a.Warnings) > 0 {
			why = strings.Join(a.Warnings, "; ")
		}
		return a, fmt.Errorf("%w: %s", ErrNone, why)
	}
	return a, nil
}

// namesNothing reports whether CUDA_VISIBLE_DEVICES has one of SLURM's values for "no GPU": old versions set
// NoDevFiles.
func namesNothing(list string) bool {
	first, _, _ := strings.Cut(list, ",")
	switch strings.TrimSpace(first) {
	case "", "-1", "NoDevFiles":
		return true
	}
	return false
}

// takeAll allocates the card or all its MIG instances.
func (a *Allocation) takeAll(c card) {
	ds, why := c.usable()
	a.Devices = append(a.Devices, ds...)
	if why != "" {
		a.Unusable = append(a.Unusable, why)
	}
}

// takeOne allocates the device that CUDA uses for the card: the card, or its first usable MIG instance.
func (a *Allocation) takeOne(c card) {
	ds, why := c.usable()
	if len(ds) == 0 {
		a.Unusable = append(a.Unusable, why)
		return
	}
	a.Devices = append(a.Devices, ds[0])
	if len(ds) > 1 {
		a.Unusable = append(a.Unusable, fmt.Sprintf("%d more MIG instances of %s: name them by UUID to use them", len(ds)-1, c.label()))
	}
}

// cudaList evaluates CUDA_VISIBLE_DEVICES.
func (n node) cudaList(list string, pciOrder bool) (Allocation, error) {
	a := Allocation{From: "CUDA_VISIBLE_DEVICES"}
	entries := strings.Split(list, ",")
	first := kindOf(strings.TrimSpace(entries[0]))
	named := map[string]bool{}
	for i, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "-1" || entry == "" && i == len(entries)-1 {
			break
		}
		p, why := pick{}, "it has another kind than the entries before it"
		if kindOf(entry) == first {
			p, why = n.find(entry, first)
		}
		if why != "" {
			a.Warnings = append(a.Warnings, fmt.Sprintf("CUDA_VISIBLE_DEVICES=%s ends at %q: %s", list, entry, why))
			break
		}
		if named[p.key] {
			return a, fmt.Errorf("%w: CUDA_VISIBLE_DEVICES=%s names a device twice (%q), so CUDA uses none", ErrNone, list, entry)
		}
		named[p.key] = true
		if p.instance != nil {
			a.takeAll(card{Device: *p.instance})
		} else {
			a.takeOne(*p.card)
		}
	}
	if first == kindIndex && !pciOrder && len(named) > 0 && len(named) < len(n.open()) && n.mixed() {
		a.Warnings = append(a.Warnings, fmt.Sprintf("the GPUs of this node differ, and CUDA_VISIBLE_DEVICES=%s was read in PCI bus order: "+
			"set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the GPUs by UUID", list))
	}
	return a, nil
}

type entryKind int

const (
	kindIndex entryKind = iota
	kindGPU
	kindMIG
)

func kindOf(entry string) entryKind {
	switch {
	case strings.HasPrefix(entry, "GPU-"):
		return kindGPU
	case strings.HasPrefix(entry, "MIG-"):
		return kindMIG
	}
	return kindIndex
}

// pick is the device of one entry: a card or an instance.
type pick struct {
	key      string // equal for entries of the same device
	card     *card
	instance *Device
}

// find returns the device of an entry. why is the reason if the entry is invalid and ends the list.
func (n node) find(entry string, kind entryKind) (p pick, why string) {
	open := n.open()
	switch kind {
	case kindGPU:
		return n.findUUID(entry)
	case kindMIG:
		return n.findMIG(entry)
	}
	i, err := strconv.Atoi(entry)
	if err != nil {
		return pick{}, "it is neither an index nor a UUID that begins with GPU- or MIG-"
	}
	if i < 0 || i >= len(open) {
		why = fmt.Sprintf("no GPU has this index among the %d that this process can open", len(open))
		if n.hasMIG() {
			why += " (MIG instances are named by UUID)"
		}
		return pick{}, why
	}
	return pick{key: open[i].UUID + "#" + strconv.Itoa(i), card: &open[i]}, ""
}

func (n node) findUUID(entry string) (pick, string) {
	var found []pick
	for i, c := range n.open() {
		if strings.HasPrefix(c.UUID, entry) {
			found = append(found, pick{key: c.UUID + "#" + strconv.Itoa(i), card: &c})
		}
		if c.UUID == entry {
			return found[len(found)-1], "" // a complete UUID, even if it is a prefix of another
		}
	}
	return only(found, "GPU")
}

func (n node) findMIG(entry string) (pick, string) {
	parent, gi, ci, old := oldMIG(entry)
	if !old && strings.HasPrefix(entry, "MIG-GPU-") {
		return pick{}, "the form must be MIG-GPU-<uuid>/<GPU instance>/<compute instance>"
	}
	var found []pick
	for _, c := range n.open() {
		for _, d := range c.instances {
			switch {
			case d.NoPermission:
			case old && d.Parent == parent && d.GI == gi && d.CI == ci, !old && d.UUID == entry:
				return pick{key: d.UUID, instance: &d}, ""
			case !old && strings.HasPrefix(d.UUID, entry):
				found = append(found, pick{key: d.UUID, instance: &d})
			}
		}
	}
	p, why := only(found, "MIG instance")
	if len(found) == 0 && n.source == SourceNvidiaSMI {
		why += "; the devices come from nvidia-smi, because NVML is not available, and nvidia-smi does not report MIG instances"
	}
	return p, why
}

func only(found []pick, what string) (pick, string) {
	switch len(found) {
	case 0:
		return pick{}, "no " + what + " that this process can open has that UUID"
	case 1:
		return found[0], ""
	}
	return pick{}, fmt.Sprintf("%d %ss have a UUID with this beginning", len(found), what)
}

// oldMIG parses MIG-GPU-<uuid>/<gi>/<ci>.
func oldMIG(entry string) (parent string, gi, ci int, ok bool) {
	parts := strings.Split(strings.TrimPrefix(entry, "MIG-"), "/")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "GPU-") {
		return "", 0, 0, false
	}
	gi, err1 := strconv.Atoi(parts[1])
	ci, err2 := strconv.Atoi(parts[2])
	return parts[0], gi, ci, err1 == nil && err2 == nil && gi >= 0 && ci >= 0
}
