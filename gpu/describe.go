package gpu

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxDescribed is the maximum number of devices in a description. It turns a typing error like 2000xA100 into an error
// message.
const maxDescribed = 256

var (
	describedCount = regexp.MustCompile(`^(\d+)\s*[xX×*]\s*(.+)$`)
	describedSize  = regexp.MustCompile(`(?i)^(\d+)GI?B$`)
	describedMIG   = regexp.MustCompile(`(?i)^(\d)g\.(\d+)gb$`)
	spacedUnit     = regexp.MustCompile(`(?i)(\d)\s+(GI?B)\b`)
	separators     = regexp.MustCompile(`[\s_-]+`)
	cardVariant    = regexp.MustCompile(`^(NVIDIA|TESLA|GEFORCE|QUADRO|GPU|SXM\d*|PCIE|HBM\d?E?|GENERATION|BLACKWELL|SERVER|WORKSTATION|EDITION)$`)
)

// Describe returns a report of GPUs that this machine does not have, for planning. The description is a comma-separated
// list of [<count>x]<name>[-<size>GB][:<MIG profile>]: "2xA100-80GB", "4 x H100-80GB", "L40S", "2xA100-80GB:1g.10gb",
// "A100-80GB,A40". The driver's names work, too ("NVIDIA A100-SXM4-80GB"). A known card has the memory that the driver
// reports, which is often less than the name says. A size alone ("2x24GB") is a card with this many GiB. With a MIG
// profile, the count is the number of instances, and each GPU holds as many as fit.
//
// All memory except the driver's reserved part is free. The UUIDs are GPU-described-0 and so on, in the order of the
// list.
func Describe(s string) (Report, error) {
	r := Report{Source: SourceDescribed}
	gpus := 0
	for item := range strings.SplitSeq(s, ",") {
		d, err := describeItem(strings.TrimSpace(item))
		if err != nil {
			return Report{}, fmt.Errorf("describe GPU %q: %w", strings.TrimSpace(item), err)
		}
		if d.count > maxDescribed-len(r.Devices) {
			return Report{}, fmt.Errorf("describe GPU %q: more than %d devices", strings.TrimSpace(item), maxDescribed)
		}
		r.Devices, gpus = d.append(r.Devices, gpus)
	}
	return r, nil
}

// described is one item of a description.
type described struct {
	count   int
	device  Device
	profile string // MIG profile, such as "1g.10gb"; empty for a whole GPU
	perGPU  int    // number of instances of the profile per GPU
	memory  Memory // memory of one instance
}

func describeItem(item string) (described, error) {
	d := described{count: 1}
	if item == "" {
		return d, fmt.Errorf("it is empty; use a form like %q", "2xA100-80GB")
	}
	if m := describedCount.FindStringSubmatch(item); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 || n > maxDescribed {
			return d, fmt.Errorf("the count must be 1 to %d", maxDescribed)
		}
		d.count, item = n, m[2]
	}
	name, profile, cut := strings.Cut(item, ":")
	k, err := findCard(name)
	if err != nil {
		return d, err
	}
	d.device = Device{Name: k.name, ComputeCapability: k.capability, Memory: k.memory()}
	if !cut {
		return d, nil
	}
	m := describedMIG.FindStringSubmatch(strings.TrimSpace(profile))
	if m == nil {
		return d, fmt.Errorf("%q is not a MIG profile; use a form like 1g.10gb", profile)
	}
	units, _ := strconv.ParseUint(m[1], 10, 8)
	gib, err := strconv.ParseUint(m[2], 10, 16)
	if err != nil || !k.supportsMIG() || gib == 0 || units < 1 || units > 7 || gib > k.totalMiB>>10+1 {
		return d, fmt.Errorf("%s has no MIG profile %s", k.name, m[0])
	}
	d.profile = strings.ToLower(m[0])
	d.perGPU = int(min(7/units, max(1, (k.totalMiB>>10+1)/gib)))
	// The driver reports 9728 MiB for 1g.10gb and 19968 MiB for 2g.20gb: 95 % of the GiB in the name is never too much.
	d.memory = Memory{Total: (gib << 10 * 95 / 100) << 20}
	d.memory.Free = d.memory.Total
	d.device.MIGEnabled = true
	return d, nil
}

// append appends the devices of the item; gpus is the number of GPUs so far.
func (d described) append(devices []Device, gpus int) ([]Device, int) {
	onGPU := 0
	for range d.count {
		if d.profile == "" || onGPU == 0 {
			g := d.device
			g.Index, g.UUID = gpus, fmt.Sprintf("GPU-described-%d", gpus)
			devices = append(devices, g)
			gpus++
		}
		if d.profile == "" {
			continue
		}
		parent := gpus - 1
		devices = append(devices, Device{
			Index: parent, UUID: fmt.Sprintf("MIG-described-%d-%d", parent, onGPU), Parent: fmt.Sprintf("GPU-described-%d", parent),
			MIGProfile: d.profile, GI: onGPU + 1, Name: d.device.Name + " MIG " + d.profile,
			ComputeCapability: d.device.ComputeCapability, Memory: d.memory,
		})
		onGPU = (onGPU + 1) % d.perGPU
	}
	return devices, gpus
}

// findCard returns the card for a name with or without a size, or for a size alone.
func findCard(name string) (knownCard, error) {
	sizeGB := 0
	key := ""
	for _, word := range separators.Split(strings.TrimSpace(spacedUnit.ReplaceAllString(name, "$1$2")), -1) {
		word = strings.ToUpper(word)
		if m := describedSize.FindStringSubmatch(word); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || n < 1 || n > 1024 || sizeGB != 0 {
				return knownCard{}, errors.New("the size must be given once, 1GB to 1024GB")
			}
			sizeGB = n
			continue
		}
		if !cardVariant.MatchString(word) {
			key += word
		}
	}
	if key == "" && sizeGB > 0 {
		return knownCard{name: fmt.Sprintf("GPU of %d GB", sizeGB), totalMiB: uint64(sizeGB) << 10}, nil
	}
	var same []knownCard
	for _, k := range knownCards {
		if k.key() != key && k.key() != "RTX"+key { // "A6000" and "4090" are common short names
			continue
		}
		if k.sizeGB == sizeGB {
			return k, nil
		}
		same = append(same, k)
	}
	switch {
	case len(same) == 0:
		return knownCard{}, fmt.Errorf("unknown card; the known cards are %s; a size alone, such as 24GB, is valid, too", knownNames(knownCards))
	case sizeGB == 0 && len(same) == 1:
		return same[0], nil
	case sizeGB == 0:
		return knownCard{}, fmt.Errorf("the card has several sizes: %s", knownNames(same))
	}
	return knownCard{}, fmt.Errorf("the card does not have this size; the known sizes are %s; a size alone, such as %dGB, is valid, too", knownNames(same), sizeGB)
}

func knownNames(cards []knownCard) string {
	var names []string
	for _, k := range cards {
		names = append(names, k.short())
	}
	return strings.Join(names, ", ")
}
