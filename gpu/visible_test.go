package gpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// whole is a healthy GPU whose UUID is GPU-<letter><rest>.
func whole(index int, letter string) Device {
	return Device{Index: index, UUID: "GPU-" + letter + "0000000-0000-4000-8000-000000000000", Name: "NVIDIA A100-SXM4-80GB",
		Memory: Memory{Total: 80 << 30, Free: 80 << 30}}
}

// slice is a MIG instance of whole(index, letter).
func slice(index int, letter string, gi int) Device {
	d := whole(index, letter)
	d.Parent, d.UUID = d.UUID, fmt.Sprintf("MIG-%s%d000000-0000-5000-8000-000000000000", letter, gi)
	d.MIGProfile, d.GI = "1g.10gb", gi
	d.Memory = Memory{Total: 9 << 30, Free: 9 << 30}
	return d
}

func with(d Device, change func(*Device)) Device {
	change(&d)
	return d
}

func forbidden(d *Device) { d.NoPermission, d.Err = true, "no permission" }
func lost(d *Device)      { d.Health.Lost, d.Err = true, "GPU is lost" }
func cut(d *Device)       { d.MIGEnabled = true }

// short names devices by the differing part of their UUIDs: "a", "b", and "c1" for instance 1 of GPU c.
func short(ds []Device) string {
	var names []string
	for _, d := range ds {
		kind, rest, _ := strings.Cut(d.UUID, "-")
		names = append(names, rest[:map[string]int{"GPU": 1, "MIG": 2}[kind]])
	}
	return strings.Join(names, " ")
}

var (
	four = []Device{whole(0, "a"), whole(1, "b"), whole(2, "c"), whole(3, "d")}
	// migNode: a whole GPU, one cut into three instances, and one cut into none.
	migNode = []Device{whole(0, "a"), with(whole(1, "c"), cut), slice(1, "c", 1), slice(1, "c", 2), slice(1, "c", 3), with(whole(2, "d"), cut)}
)

func TestAllocated(t *testing.T) {
	twin := with(whole(1, "a"), func(d *Device) { d.UUID = "GPU-a1000000-0000-4000-8000-000000000000" })
	second := with(slice(1, "c", 2), func(d *Device) { d.CI = 1 })
	cuda := func(v string) []string { return []string{"PATH=/bin", "CUDA_VISIBLE_DEVICES=" + v} }
	for _, c := range []struct {
		name     string
		env      []string
		devices  []Device
		want     string // as short says it
		warnings string // a part of them; empty: none
		left     string // likewise
		err      string // a part of it; empty: none
	}{
		{name: "unset is all", devices: four, want: "a b c d"},
		{name: "empty is none", env: cuda(""), devices: four, err: "CUDA_VISIBLE_DEVICES is empty"},
		{name: "blank is none", env: cuda("  "), devices: four, err: "CUDA_VISIBLE_DEVICES is empty"},
		{name: "the first of two values counts", env: append(cuda("1"), cuda("2")...), devices: four, want: "b"},
		{name: "no GPU at all", devices: nil, err: "the driver shows no GPU"},

		{name: "one index", env: cuda("2"), devices: four, want: "c"},
		{name: "indices in their order", env: cuda("2,0"), devices: four, want: "c a"},
		{name: "blanks around", env: cuda(" 2 ,\t0"), devices: four, want: "c a"},
		{name: "-1 ends the list", env: cuda("0,2,-1,1"), devices: four, want: "a c"},
		{name: "-1 first", env: cuda("-1,0"), devices: four, err: "none is named"},
		{name: "an index too high ends the list", env: cuda("0,4,1"), devices: four, want: "a", warnings: `ends at "4": no GPU has this index among the 4`},
		{name: "only an index too high", env: cuda("9"), devices: four, err: "no GPU has this index"},
		{name: "a negative index", env: cuda("1,-7,0"), devices: four, want: "b", warnings: `ends at "-7"`},
		{name: "a word", env: cuda("all"), devices: four, err: "neither an index nor a UUID"},
		{name: "a number with more", env: cuda("0,1x"), devices: four, want: "a", warnings: `ends at "1x"`},
		{name: "an empty entry ends the list", env: cuda("1,,0"), devices: four, want: "b", warnings: `ends at ""`},
		{name: "a last comma", env: cuda("1,"), devices: four, want: "b"},
		{name: "an index twice", env: cuda("0,1,0"), devices: four, err: "names a device twice"},
		{name: "twice after the end", env: cuda("0,-1,0"), devices: four, want: "a"},
		{name: "twice by two spellings", env: cuda("1,01"), devices: four, err: "names a device twice"},

		{name: "a UUID", env: cuda(four[1].UUID), devices: four, want: "b"},
		{name: "UUIDs in their order", env: cuda(four[3].UUID + "," + four[1].UUID), devices: four, want: "d b"},
		{name: "a UUID cut short", env: cuda("GPU-c,GPU-a00"), devices: four, want: "c a"},
		{name: "a UUID of no GPU", env: cuda("GPU-b,GPU-e,GPU-a"), devices: four, want: "b", warnings: `ends at "GPU-e": no GPU`},
		{name: "a UUID cut too short", env: cuda("GPU-a"), devices: []Device{whole(0, "a"), twin}, err: "2 GPUs have a UUID with this beginning"},
		{name: "long enough", env: cuda("GPU-a1"), devices: []Device{whole(0, "a"), twin}, want: "a"},
		{name: "GPU- of the only GPU", env: cuda("GPU-"), devices: four[:1], want: "a"},
		{name: "GPU- of several", env: cuda("GPU-"), devices: four, err: "4 GPUs have"},
		{name: "a UUID twice", env: cuda("GPU-a,GPU-a0"), devices: four, err: "names a device twice"},
		{name: "an index after UUIDs", env: cuda("GPU-b,0"), devices: four, want: "b", warnings: `ends at "0": it has another kind`},
		{name: "a UUID after indices", env: cuda("0,GPU-b"), devices: four, want: "a", warnings: `ends at "GPU-b": it has another kind`},

		{name: "MIG: all instances", devices: migNode, want: "a c1 c2 c3", left: "GPU 2 (NVIDIA A100-SXM4-80GB, GPU-d0000000-0000-4000-8000-000000000000): MIG is on, but no instance"},
		{name: "MIG: by UUID", env: cuda(migNode[3].UUID), devices: migNode, want: "c2"},
		{name: "MIG: several by UUID", env: cuda(migNode[4].UUID + "," + migNode[2].UUID), devices: migNode, want: "c3 c1"},
		{name: "MIG: cut short", env: cuda("MIG-c3"), devices: migNode, want: "c3"},
		{name: "MIG: cut too short", env: cuda("MIG-c"), devices: migNode, err: "3 MIG instances have"},
		{name: "MIG: unknown", env: cuda("MIG-e"), devices: migNode, err: "no MIG instance"},
		{name: "MIG: twice", env: cuda("MIG-c1,MIG-c1"), devices: migNode, err: "names a device twice"},
		{name: "MIG: the old form", env: cuda("MIG-" + migNode[1].UUID + "/2/0"), devices: migNode, want: "c2"},
		{name: "MIG: the old form, second compute instance", env: cuda("MIG-" + migNode[1].UUID + "/2/1"), devices: []Device{migNode[1], slice(1, "c", 2), second}, want: "c2"},
		{name: "MIG: the old form of no instance", env: cuda("MIG-" + migNode[1].UUID + "/7/0"), devices: migNode, err: "no MIG instance"},
		{name: "MIG: the old form, half", env: cuda("MIG-" + migNode[1].UUID + "/2"), devices: migNode, err: "the form must be"},
		{name: "MIG: the old form, no numbers", env: cuda("MIG-" + migNode[1].UUID + "/x/0"), devices: migNode, err: "the form must be"},
		{name: "MIG: after an index", env: cuda("0,MIG-c1"), devices: migNode, want: "a", warnings: "another kind"},
		{name: "MIG: an index is the first instance", env: cuda("1"), devices: migNode, want: "c1", left: "2 more MIG instances"},
		{name: "MIG: a GPU's UUID is the first instance", env: cuda("GPU-c"), devices: migNode, want: "c1", left: "2 more MIG instances"},
		{name: "MIG: a GPU without instances", env: cuda("2"), devices: migNode, err: "MIG is on, but no instance"},
		{name: "MIG: an index past the GPUs", env: cuda("4"), devices: migNode, err: "MIG instances are named by UUID"},
		{name: "MIG: the first is another job's", env: cuda("0"), devices: []Device{with(whole(0, "c"), cut), with(slice(0, "c", 1), forbidden), slice(0, "c", 2)}, want: "c2"},
		{name: "MIG: another job's by UUID", env: cuda("MIG-c1"), devices: []Device{with(whole(0, "c"), cut), with(slice(0, "c", 1), forbidden), slice(0, "c", 2)}, err: "no MIG instance"},
		{name: "MIG: the GPU refuses, the instance answers", env: cuda("0"), devices: []Device{with(with(whole(0, "c"), cut), forbidden), slice(0, "c", 2)}, want: "c2"},
		{name: "MIG: the GPU is not reported", env: cuda("MIG-c2"), devices: []Device{slice(0, "c", 2)}, want: "c2"},
		{name: "MIG: an instance is lost", devices: []Device{with(whole(0, "c"), cut), with(slice(0, "c", 1), lost), slice(0, "c", 2)}, want: "c2", left: "MIG instance of GPU 0"},
		{name: "MIG: the GPU is lost", devices: []Device{with(with(whole(0, "c"), cut), lost), slice(0, "c", 2)}, err: "lost"},

		{name: "cgroup: indices count what can be opened", env: cuda("0"), devices: []Device{with(four[0], forbidden), four[1], with(four[2], forbidden), four[3]}, want: "b"},
		{name: "cgroup: and on", env: cuda("1"), devices: []Device{with(four[0], forbidden), four[1], with(four[2], forbidden), four[3]}, want: "d"},
		{name: "cgroup: no more", env: cuda("2"), devices: []Device{with(four[0], forbidden), four[1], with(four[2], forbidden), four[3]}, err: "among the 2"},
		{name: "cgroup: unset", devices: []Device{with(four[0], forbidden), four[1]}, want: "b"},
		{name: "cgroup: another job's UUID", env: cuda("GPU-a"), devices: []Device{with(four[0], forbidden), four[1]}, err: "no GPU that this process can open"},
		{name: "cgroup: nothing", devices: []Device{with(four[0], forbidden), with(four[1], forbidden)}, err: "all 2 GPUs of this node belong to other jobs"},

		{name: "lost keeps its index", env: cuda("0,1,2"), devices: []Device{four[0], with(four[1], lost), four[2]}, want: "a c", left: "GPU 1 (NVIDIA A100-SXM4-80GB, GPU-b0000000-0000-4000-8000-000000000000): lost"},
		{name: "lost, and not asked for", env: cuda("0"), devices: []Device{four[0], with(four[1], lost)}, want: "a"},
		{name: "lost, all", env: cuda("1"), devices: []Device{four[0], with(four[1], lost)}, err: "lost: the GPU fell off the bus"},
		{name: "lost, without a UUID", devices: []Device{four[0], {Index: 1, Health: Health{Lost: true}}}, want: "a", left: "GPU 1 (unknown): lost"},
		{name: "in trouble", devices: []Device{four[0], with(four[1], func(d *Device) { d.Err = "unknown error" })}, want: "a", left: "unknown error"},
		{name: "no memory said", devices: []Device{four[0], with(four[1], func(d *Device) { d.Memory = Memory{} })}, want: "a", left: "reports no memory size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Allocated(c.env, Report{Source: SourceNVML, Devices: c.devices})
			checkAllocated(t, a, err, c.want, c.err)
			for _, l := range []struct{ got, want string }{{strings.Join(a.Warnings, "; "), c.warnings}, {strings.Join(a.Unusable, "; "), c.left}} {
				if err == nil && (l.want == "" && l.got != "" || !strings.Contains(l.got, l.want)) {
					t.Errorf("said %q, want %q", l.got, l.want)
				}
			}
		})
	}
}

func checkAllocated(t *testing.T, a Allocation, err error, want, wantErr string) {
	t.Helper()
	if wantErr != "" {
		if !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), wantErr) || len(a.Devices) != 0 {
			t.Errorf("got %q, %v; want %q", short(a.Devices), err, wantErr)
		}
		return
	}
	if err != nil || short(a.Devices) != want {
		t.Errorf("got %q, %v; want %q", short(a.Devices), err, want)
	}
}

// nvidia-smi shows no instances, so that a MIG UUID cannot be found by it; the error must say so.
func TestAllocatedMIGBySMI(t *testing.T) {
	r := Report{Source: SourceNvidiaSMI, Devices: []Device{with(whole(0, "c"), cut)}}
	if _, err := Allocated([]string{"CUDA_VISIBLE_DEVICES=MIG-c1"}, r); err == nil || !strings.Contains(err.Error(), "the devices come from nvidia-smi") {
		t.Errorf("got %v", err)
	}
}

func TestAllocatedOrder(t *testing.T) {
	other := with(whole(1, "b"), func(d *Device) { d.Name = "NVIDIA T400" })
	mixed := []Device{whole(0, "a"), other}
	for _, c := range []struct {
		name    string
		env     []string
		devices []Device
		warns   bool
	}{
		{"an index on a mixed node", []string{"CUDA_VISIBLE_DEVICES=0"}, mixed, true},
		{"the fastest first, said", []string{"CUDA_VISIBLE_DEVICES=0", "CUDA_DEVICE_ORDER=FASTEST_FIRST"}, mixed, true},
		{"PCI order, said", []string{"CUDA_VISIBLE_DEVICES=0", "CUDA_DEVICE_ORDER=PCI_BUS_ID"}, mixed, false},
		{"a UUID", []string{"CUDA_VISIBLE_DEVICES=GPU-a"}, mixed, false},
		{"all of them", []string{"CUDA_VISIBLE_DEVICES=1,0"}, mixed, false},
		{"unset", nil, mixed, false},
		{"GPUs of one kind", []string{"CUDA_VISIBLE_DEVICES=0"}, four, false},
		{"the other kind is another job's", []string{"CUDA_VISIBLE_DEVICES=0"}, []Device{whole(0, "a"), with(other, forbidden), whole(2, "c")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Allocated(c.env, Report{Devices: c.devices})
			if err != nil || slices.ContainsFunc(a.Warnings, func(w string) bool { return strings.Contains(w, "CUDA_DEVICE_ORDER=PCI_BUS_ID") }) != c.warns {
				t.Errorf("warnings %q, %v", a.Warnings, err)
			}
		})
	}
}

// FuzzAllocated checks that no unusable device and no device twice is allocated, and that an error means no devices.
func FuzzAllocated(f *testing.F) {
	for _, s := range []string{"", "0", "0,2,-1,1", "GPU-a,GPU-c", "MIG-c1", "MIG-GPU-c0000000-0000-4000-8000-000000000000/1/0", "1,1", " 3 ,,0"} {
		f.Add(s, "", "0,1")
		f.Add(s, "7", "")
	}
	f.Fuzz(func(t *testing.T, list, job, jobGPUs string) {
		r := Report{Devices: append([]Device{with(whole(0, "e"), forbidden), with(whole(1, "f"), lost)}, migNode...)}
		a, err := Allocated([]string{"CUDA_VISIBLE_DEVICES=" + list, "SLURM_JOB_ID=" + job, "SLURM_JOB_GPUS=" + jobGPUs}, r)
		if (err != nil) != (len(a.Devices) == 0) || err != nil && !errors.Is(err, ErrNone) {
			t.Errorf("%d devices, %v", len(a.Devices), err)
		}
		seen := map[string]bool{}
		for _, d := range a.Devices {
			if d.trouble() != "" || d.MIGEnabled || seen[d.UUID] {
				t.Errorf("%q: %+v", list, d)
			}
			seen[d.UUID] = true
		}
	})
}
