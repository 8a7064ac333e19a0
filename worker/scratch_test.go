package worker

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/fakeollama"
)

func TestScratchRoot(t *testing.T) {
	t.Parallel()
	job, own := t.TempDir(), t.TempDir()
	file := filepath.Join(own, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(own, "missing")
	for _, tt := range []struct {
		name       string
		job, own   string
		want       string
		warnsAbout []string
	}{
		{"the job's", job, own, job, nil},
		{"the user's", "", own, own, nil},
		{"the system's", "", "", "/tmp", nil},
		{"a job's that is missing", missing, own, own, []string{"SLURM_TMPDIR"}},
		{"a job's that is no folder", file, own, own, []string{"SLURM_TMPDIR"}},
		{"neither", missing, missing, "/tmp", []string{"SLURM_TMPDIR", "TMPDIR"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings := ScratchRoot(func(name string) string {
				return map[string]string{"SLURM_TMPDIR": tt.job, "TMPDIR": tt.own}[name]
			})
			if got != tt.want || len(warnings) != len(tt.warnsAbout) {
				t.Fatalf("got %s and warnings %q, want %s and some about %q", got, warnings, tt.want, tt.warnsAbout)
			}
			for i, name := range tt.warnsAbout {
				if !strings.HasPrefix(warnings[i], name+" is ") {
					t.Errorf("warning %q, want one about %s", warnings[i], name)
				}
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(job, "*")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

// Each server has its HOME and its temporary files in a folder of its own below the scratch root, and leaves no file there.
func TestScratchIsTheServersOwn(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var homes []string
	for range 2 {
		c, recordFile := config(t, 3)
		c.Server.ScratchRoot = root
		if _, err := runOnce(t, t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		home := variable(t, readRecord(t, recordFile), "HOME")
		if filepath.Dir(home) != root || variable(t, readRecord(t, recordFile), "TMPDIR") != home {
			t.Errorf("HOME is %s, and temporary files are elsewhere or not below %s", home, root)
		}
		homes = append(homes, home)
	}
	if homes[0] == homes[1] {
		t.Errorf("both servers have %s", homes[0])
	}
	if left, _ := os.ReadDir(root); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

// variable returns a variable of a server's environment.
func variable(t *testing.T, r fakeollama.Record, name string) string {
	t.Helper()
	i := slices.IndexFunc(r.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	if i < 0 {
		t.Fatalf("the server has no %s", name)
	}
	return strings.TrimPrefix(r.Env[i], name+"=")
}
