package gpu

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateSMI = flag.Bool("update-smi", false, "write testdata/smi/*.json")

// TestParseSMI compares each testdata/smi/*.csv with the report beside it.
func TestParseSMI(t *testing.T) {
	files, err := filepath.Glob("testdata/smi/*.csv")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := parseSMI(in, smiFields)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(r, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := strings.TrimSuffix(file, ".csv") + ".json"
			if *updateSMI {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestParseSMICore(t *testing.T) {
	r, err := parseSMI([]byte("1, GPU-b, NVIDIA L4, 23034, 100, 22300\n0, GPU-a, an \"odd\" name, 23034, 0, 22478\n"), smiCore)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Devices) != 2 || r.Devices[0].UUID != "GPU-a" || r.Devices[1].UUID != "GPU-b" {
		t.Fatalf("not in the order of the indices: %+v", r.Devices)
	}
	// What the other three leave is reserved.
	if got := r.Devices[1].Memory; got != (Memory{Total: 23034 << 20, Reserved: 634 << 20, Used: 100 << 20, Free: 22300 << 20}) {
		t.Errorf("memory %+v", got)
	}
}

func TestParseSMIErrors(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a sentence", "No devices were found\n", "line 1: 1 fields, want 6"},
		{"too many", "0, GPU-a, x, 1, 1, 1, 1\n", "line 1: 7 fields"},
		{"second line", "0, GPU-a, x, 1, 0, 1\n1, GPU-b, x, 1, 0\n", "line 2: 5 fields"},
		{"no index", "x, GPU-a, x, 1, 0, 1\n", `index: "x" is not a number`},
		{"no uuid", "0, , x, 1, 0, 1\n", `uuid: "" is not the UUID of a GPU`},
		{"wrong uuid", "0, 1234, x, 1, 0, 1\n", `uuid: "1234" is not the UUID of a GPU`},
		{"memory with a unit", "0, GPU-a, x, 1 MiB, 0, 1\n", `memory.total: "1 MiB" is not a number`},
		{"negative", "0, GPU-a, x, 1, -1, 1\n", `memory.used: "-1" is not a number`},
		{"over", "0, GPU-a, x, 99999999999999999999, 0, 1\n", "memory.total"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseSMI([]byte(c.in), smiCore); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for field, value := range map[string]string{"power.draw": "NaN", "clocks_throttle_reasons.active": "Active"} {
		fields := append([]string{field}, smiCore...)
		if _, err := parseSMI([]byte(value+", 0, GPU-a, x, 1, 0, 1\n"), fields); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s=%s: %v", field, value, err)
		}
	}
}

func FuzzParseSMI(f *testing.F) {
	files, err := filepath.Glob("testdata/smi/*.csv")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		in, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(in, true)
	}
	f.Add([]byte("0, GPU-a, NVIDIA L4, 23034, 100, 22300\n"), false)
	f.Fuzz(func(t *testing.T, in []byte, all bool) {
		fields := smiCore
		if all {
			fields = smiFields
		}
		r, err := parseSMI(in, fields)
		if err != nil {
			return
		}
		for i, d := range r.Devices {
			if i > 0 && r.Devices[i-1].Index > d.Index {
				t.Errorf("not in order: %+v", r.Devices)
			}
			if d.UUID == "" && d.Err == "" {
				t.Errorf("a usable device without a UUID: %+v", d)
			}
			if d.trouble() == "" && !d.MIGEnabled && d.Memory.Total == 0 {
				t.Errorf("a usable device without memory: %+v", d)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
