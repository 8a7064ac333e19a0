package gpu

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // <name> <total MiB> of each device
	}{
		{"A100-80GB", "A100 81920"},
		{"2xA100-80GB", "A100 81920, A100 81920"},
		{" 2 x H100-80GB ", "H100 81559, H100 81559"},
		{"2×h100 80 gb", "H100 81559, H100 81559"},
		{"1xRTX4090-24GB", "RTX4090 24564"},
		{"RTX-4090", "RTX4090 24564"},
		{"rtx 3090 24GiB", "RTX3090 24576"},
		{"4090", "RTX4090 24564"},
		{"A6000-48GB", "RTXA6000 49140"},
		{"L40S", "L40S 46068"},
		{"2x24GB", "GPU of 24 GB 24576, GPU of 24 GB 24576"},
		{"8 GB", "GPU of 8 GB 8192"},
		{"A100-40GB, T4-16GB", "A100 40960, T4 15360"},
		{"NVIDIA A100-SXM4-80GB", "A100 81920"},
		{"NVIDIA A100 80GB PCIe", "A100 81920"},
		{"NVIDIA H100 80GB HBM3", "H100 81559"},
		{"H100 NVL", "H100NVL 95830"},
		{"NVIDIA GeForce RTX 2080 Ti", "RTX2080Ti 11264"},
		{"NVIDIA RTX 6000 Ada Generation", "RTX6000Ada 49140"},
		{"Tesla V100-PCIE-16GB", "V100 16384"},
		{"H200", "H200 143771"},
		{"A100-80GB:1g.10gb", "A100 81920, A100 MIG 1g.10gb 9728"},
		{"B200:1g.23gb", "B200 183359, B200 MIG 1g.23gb 22374"},
		{"3xA100-80GB:3G.40GB", "A100 81920, A100 MIG 3g.40gb 38912, A100 MIG 3g.40gb 38912, A100 81920, A100 MIG 3g.40gb 38912"},
	} {
		t.Run(c.in, func(t *testing.T) {
			r, err := Describe(c.in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range r.Devices {
				got = append(got, fmt.Sprintf("%s %d", d.Name, d.Memory.Total>>20))
				if d.Memory.Free != d.Memory.Total-d.Memory.Reserved || d.Memory.Used != 0 {
					t.Errorf("memory %+v", d.Memory)
				}
			}
			if text := strings.Join(got, ", "); text != c.want || r.Source != SourceDescribed {
				t.Errorf("got %s of %s, want %s", text, r.Source, c.want)
			}
		})
	}
}

func TestDescribeUUIDs(t *testing.T) {
	r, err := Describe("2xL4,2xA100-80GB:1g.10gb,T4")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range r.Devices {
		got = append(got, d.UUID)
	}
	want := []string{"GPU-described-0", "GPU-described-1", "GPU-described-2", "MIG-described-2-0", "MIG-described-2-1", "GPU-described-3"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	a, err := Allocated(nil, r)
	if err != nil || len(a.Devices) != 5 || len(a.Unusable) != 0 {
		t.Errorf("allocated %+v, %v", a, err)
	}
}

// Seven instances of 1g.10gb fit a GPU, and an eighth needs another.
func TestDescribeMIGFillsGPUs(t *testing.T) {
	r, err := Describe("8xH100-80GB:1g.10gb")
	if err != nil {
		t.Fatal(err)
	}
	gpus := 0
	for _, d := range r.Devices {
		if !d.MIG() {
			gpus++
		}
	}
	if gpus != 2 || len(r.Devices) != 10 {
		t.Errorf("%d GPUs, %d devices", gpus, len(r.Devices))
	}
}

func TestDescribeErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "it is empty",
		"L4,":                 "it is empty",
		"A100":                "the card has several sizes: A100-80GB, A100-64GB, A100-40GB",
		"A100-81GB":           "the card does not have this size; the known sizes are A100-80GB",
		"MI300X":              "unknown card; the known cards are A100-80GB, ",
		"x":                   "unknown card",
		"0xA100-80GB":         "the count must be 1 to 256",
		"99999999999999xL4":   "the count must be",
		"200xL4,200xL4":       "more than 256 devices",
		"0GB":                 "the size must be given once",
		"A100-80GB-40GB":      "the size must be given once",
		"A100-80GB:":          "MIG profile",
		"A100-80GB:big":       "MIG profile",
		"A100-80GB:9g.10gb":   "A100 has no MIG profile",
		"L4:1g.10gb":          "L4 has no MIG profile",
		"V100-32GB:1g.5gb":    "V100 has no MIG profile",
		"24GB:1g.5gb":         "GPU of 24 GB has no MIG profile",
		"A100-40GB:1g.80gb":   "A100 has no MIG profile",
		"A100-80GB:1g.0gb":    "MIG profile",
		"99999999999999999GB": "the size must be given once",
	} {
		if _, err := Describe(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

// Every known card is found by the name that errors give it, and no two rows answer to one.
func TestKnownCards(t *testing.T) {
	for _, k := range knownCards {
		r, err := Describe(k.short())
		if err != nil {
			t.Errorf("%s: %v", k.short(), err)
			continue
		}
		d := r.Devices[0]
		if d.Memory != k.memory() || d.Name != k.name || d.ComputeCapability != k.capability {
			t.Errorf("%s gave %+v", k.short(), d)
		}
		// What the driver reports is at most a sixteenth (ECC) below the size in the name, and at most 3 % above it.
		if gib := k.totalMiB * 100 >> 10; gib < uint64(k.sizeGB)*93 || gib > uint64(k.sizeGB)*103 {
			t.Errorf("%s has %d MiB", k.short(), k.totalMiB)
		}
		if reserved := d.Memory.Reserved; reserved < 200<<20 || reserved > d.Memory.Total/20 {
			t.Errorf("%s reserves %d MiB", k.short(), reserved>>20)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add("2xA100-80GB")
	f.Add("A100-80GB:1g.10gb,2x24GB")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Describe(s)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, d := range r.Devices {
			if d.Memory.Total == 0 || seen[d.UUID] {
				t.Errorf("%q: %+v", s, d)
			}
			seen[d.UUID] = true
		}
	})
}
