package gpu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
)

// The probe runs from memory and from a folder, and leaves nothing behind.
func TestUnpack(t *testing.T) {
	t.Parallel()
	bin, err := os.ReadFile(build.Probe(t))
	if err != nil {
		t.Fatal(err)
	}
	env, _ := fakenvml.Env(t, fakenvml.Build(t), fakenvml.TwoA100)
	folder := t.TempDir()
	ways := unpack(bin, []string{"", folder})
	if len(ways) != 2 {
		t.Fatalf("%d ways", len(ways))
	}
	for i, way := range ways {
		program, err := way()
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if info, err := os.Stat(filepath.Dir(program.path)); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("folder: %v, %v", info, err)
			}
		}
		r, err := Probe{Path: program.path, Env: env}.Report(t.Context())
		if err != nil || len(r.Devices) != 2 {
			t.Errorf("%s: %+v, %v", program.path, r, err)
		}
		before, err := os.Stat(program.path)
		if err != nil {
			t.Fatal(err)
		}
		program.remove()
		// Another test may have opened a file under the same number meanwhile.
		if after, err := os.Stat(program.path); err == nil && os.SameFile(before, after) {
			t.Errorf("%s is still there", program.path)
		}
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// If one way fails, the next is tried. If all fail, the error has every reason.
func TestRunTriesAllWays(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ways := unpack([]byte("this is no program"), []string{"/nonexistent", folder})
	err := Probe{}.runOne(t.Context(), ways, &prefixWriter{limit: 100})
	var start *StartError
	if !errors.As(err, &start) || !strings.Contains(err.Error(), "/proc/self/fd/") ||
		!strings.Contains(err.Error(), "/nonexistent") || !strings.Contains(err.Error(), folder) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestProbeEnv(t *testing.T) {
	got := probeEnv([]string{"A=1", "LD_BIND_NOW=1", "LD_PRELOAD=x", "LD_LIBRARY_PATH=/x", "LD_BIND_NOW_=2"})
	if strings.Join(got, " ") != "A=1 LD_LIBRARY_PATH=/x LD_BIND_NOW_=2" {
		t.Error(got)
	}
}

func TestQueryFallsBack(t *testing.T) {
	nvml, smi := Report{Source: SourceNVML}, Report{Source: SourceNvidiaSMI}
	hung, broken := &TimeoutError{}, errors.New("nvidia-smi is broken")
	for name, c := range map[string]struct {
		probeErr, smiErr error
		want             Source
		wantErr          error
	}{
		"the probe answers":          {nil, broken, SourceNVML, nil},
		"no probe":                   {ErrNoProbe, nil, SourceNvidiaSMI, nil},
		"it does not run":            {&StartError{broken}, nil, SourceNvidiaSMI, nil},
		"no library":                 {ErrNoDriver, nil, SourceNvidiaSMI, nil},
		"it hangs":                   {hung, nil, "", hung},
		"no probe, no nvidia-smi":    {ErrNoProbe, ErrNoDriver, "", ErrNoDriver},
		"no library, no nvidia-smi":  {ErrNoDriver, ErrNoDriver, "", ErrNoDriver},
		"no probe, nvidia-smi fails": {ErrNoProbe, broken, "", broken},
	} {
		answer := func(r Report, err error) ask {
			return func(context.Context) (Report, error) {
				if err != nil {
					return Report{}, err
				}
				return r, nil
			}
		}
		r, err := query(t.Context(), answer(nvml, c.probeErr), answer(smi, c.smiErr))
		if r.Source != c.want || !errors.Is(err, c.wantErr) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestThrottleNames(t *testing.T) {
	if got := ThrottleNames(1); got != nil {
		t.Errorf("idle: %v", got)
	}
	if got := strings.Join(ThrottleNames(0x8000_0000_0000_00c8), " "); got != "hw_slowdown hw_thermal_slowdown hw_power_brake_slowdown" {
		t.Error(got)
	}
}
