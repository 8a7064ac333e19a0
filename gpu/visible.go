package gpu

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNone means that this process has no GPU that it can use; the error around it says why.
var ErrNone = errors.New("no usable GPU")

// ErrNotAllocated means that a SLURM job asked for no GPU. An error that wraps it wraps ErrNone too.
var ErrNotAllocated = errors.New("SLURM gave this job no GPU: ask for one with --gres=gpu:1 (a salloc shell has none itself, its srun steps do)")

// Allocation is the answer to which GPUs this process may use.
type Allocation struct {
	// Devices are GPUs and MIG instances, in the order in which CUDA would number them. Each of them can serve a
	// server process of its own; one process can use several GPUs, but never more than one MIG instance.
	Devices []Device
	// From says what decided: the name of an environment variable, or "all GPUs of the node".
	From string
	// Left says of each device that was allocated but cannot be used what it is and why.
	Left []string
	// Warnings are readings of the environment that a person may not have meant.
	Warnings []string
}

const fromAll = "all GPUs of the node"

// Allocated tells which devices of the node this process may use, by its environment ("NAME=value" strings). It does
// what the CUDA runtime and SLURM document, and what PyTorch's parser, which is tested against the driver, does where
// they are silent:
//
//   - CUDA_VISIBLE_DEVICES unset: all devices; in a SLURM job only those of SLURM_STEP_GPUS or SLURM_JOB_GPUS, and
//     none (ErrNotAllocated) where no such variable is set. Empty: none.
//   - The first entry says what the list holds: indices, GPU- UUIDs or MIG- UUIDs. An entry of another kind, -1, an
//     index that no device has, a UUID that none or several devices begin with, and an empty entry end the list;
//     what stands before counts. A device that is named twice leaves none at all.
//   - A UUID may be cut short as long as one device alone begins with it. MIG-GPU-<uuid>/<gi>/<ci>, of drivers before
//     R470, needs the GPU's whole UUID.
//   - An index counts the devices that this process can open, in PCI bus order: under SLURM's ConstrainDevices the
//     other jobs' devices are not counted. CUDA itself counts the fastest first unless CUDA_DEVICE_ORDER=PCI_BUS_ID;
//     where the node's devices differ and that is not set, a warning says so.
//   - An index or UUID of a GPU that is cut into MIG instances means its first instance that can be used, as CUDA
//     would take; without CUDA_VISIBLE_DEVICES all its instances count, since every server gets its own.
//   - A lost device keeps its index, is left out and named in Left.
//
// The error wraps ErrNone; Left and Warnings are filled with it too.
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
		if len(a.Left) > 0 {
			why = strings.Join(a.Left, "; ")
		} else if len(a.Warnings) > 0 {
			why = strings.Join(a.Warnings, "; ")
		}
		return a, fmt.Errorf("%w: %s", ErrNone, why)
	}
	return a, nil
}

// namesNothing tells whether CUDA_VISIBLE_DEVICES is one of the values that SLURM sets for "no GPU": old versions
// write NoDevFiles.
func namesNothing(list string) bool {
	first, _, _ := strings.Cut(list, ",")
	switch strings.TrimSpace(first) {
	case "", "-1", "NoDevFiles":
		return true
	}
	return false
}

// takeAll allocates all of the card: itself, or each of its MIG instances.
func (a *Allocation) takeAll(c card) {
	ds, why := c.usable()
	a.Devices = append(a.Devices, ds...)
	if why != "" {
		a.Left = append(a.Left, why)
	}
}

// takeOne allocates what CUDA takes for the card: itself, or the first of its MIG instances that can be used.
func (a *Allocation) takeOne(c card) {
	ds, why := c.usable()
	if len(ds) == 0 {
		a.Left = append(a.Left, why)
		return
	}
	a.Devices = append(a.Devices, ds[0])
	if len(ds) > 1 {
		a.Left = append(a.Left, fmt.Sprintf("%d more MIG instances of %s: name them by UUID to use them", len(ds)-1, c.label()))
	}
}

// cudaList reads the value of CUDA_VISIBLE_DEVICES.
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
		p, why := pick{}, "it is of another kind than the entries before it"
		if kindOf(entry) == first {
			p, why = n.find(entry, first)
		}
		if why != "" {
			a.Warnings = append(a.Warnings, fmt.Sprintf("CUDA_VISIBLE_DEVICES=%s ends at %q: %s", list, entry, why))
			break
		}
		if named[p.key] {
			return a, fmt.Errorf("%w: CUDA_VISIBLE_DEVICES=%s names a device twice (%q), and CUDA then uses none", ErrNone, list, entry)
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

// pick is what one entry names: a card, or an instance.
type pick struct {
	key      string // the same for two entries that name the same device
	card     *card
	instance *Device
}

// find looks an entry up; why says what is wrong with an entry that ends the list.
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
		why = fmt.Sprintf("there is no GPU of that index among the %d that this process can open", len(open))
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
			return found[len(found)-1], "" // a whole UUID, even where it begins another
		}
	}
	return only(found, "GPU")
}

func (n node) findMIG(entry string) (pick, string) {
	parent, gi, ci, old := oldMIG(entry)
	if !old && strings.HasPrefix(entry, "MIG-GPU-") {
		return pick{}, "that form is MIG-GPU-<uuid>/<GPU instance>/<compute instance>"
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
		why += "; nvidia-smi, which was asked since NVML did not answer, does not report MIG instances"
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
	return pick{}, fmt.Sprintf("%d %ss have a UUID that begins so", len(found), what)
}

// oldMIG reads MIG-GPU-<uuid>/<gi>/<ci>.
func oldMIG(entry string) (parent string, gi, ci int, ok bool) {
	parts := strings.Split(strings.TrimPrefix(entry, "MIG-"), "/")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "GPU-") {
		return "", 0, 0, false
	}
	gi, err1 := strconv.Atoi(parts[1])
	ci, err2 := strconv.Atoi(parts[2])
	return parts[0], gi, ci, err1 == nil && err2 == nil && gi >= 0 && ci >= 0
}
