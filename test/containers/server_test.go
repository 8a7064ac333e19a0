package containers

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
)

const rows = 20

// newJob makes a job of nobody, whose server this command starts.
func newJob(t *testing.T, command string, args ...string) *harness.Job {
	t.Helper()
	need(t)
	if strings.Contains(command, file) {
		if _, err := os.Stat(file); err != nil {
			t.Skip("IMAGE FILES ARE NOT TESTED: the kernel has no /dev/fuse")
		}
	}
	j := harness.NewOf(t, program, args...)
	j.RunAs(harness.Nobody())
	j.Env = []string{"HOME=" + home, "USER=nobody", "TMPDIR=" + scratch, "PATH=/usr/bin"}
	j.Args = append(j.Args, "--ollama", command)
	j.WriteRows(rows)
	return j
}

// A command that starts Ollama in a container serves, isolated where it was not forbidden, with the settings of the run, and
// leaves no trace of it.
func TestContainers(t *testing.T) {
	const exec = "apptainer exec "
	for _, tt := range []struct {
		name     string
		command  string
		isolate  string
		isolated bool
	}{
		{"folder", exec + folder + " ollama", "auto", true},
		{"folder always isolated", exec + folder + " ollama", "always", true},
		{"folder never isolated", exec + folder + " ollama", "never", false},
		{"file", exec + file + " ollama", "auto", true},
		{"file never isolated", exec + file + " ollama", "never", false},
		{"no environment", exec + "--cleanenv " + folder + " ollama", "auto", true},
		{"nothing of the host", exec + "--containall " + folder + " ollama", "auto", true},
		{"image with settings", exec + setting + " ollama", "auto", true},
		{"behind other programs", "env X=1 nice -n 1 " + exec + folder + " ollama", "auto", true},
		{"module", "./module", "auto", true},
		{"module never isolated", "./module", "never", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, tt.command, "--ollama-models", models, "--isolate", tt.isolate)
			module := "#!/bin/sh\nmodule() { OLLAMA_IMAGE=" + folder + "; }\nmodule load apptainer\nexec apptainer exec \"$OLLAMA_IMAGE\" ollama \"$@\"\n"
			if err := writeFile(j.Path("module"), []byte(module), 0o755); err != nil {
				t.Fatal(err)
			}
			j.Own()
			j.Run(0)
			j.CheckRows(rows)
			if s := j.Manifest().Plan.Servers[0]; s.Isolated != tt.isolated || s.Slots != 8 {
				t.Errorf("isolated: %t, want %t; %d slots", s.Isolated, tt.isolated, s.Slots)
			}
			checkUntouched(t)
		})
	}
}

// checkUntouched checks that the user's home folder and the folder for scratch folders are empty.
func checkUntouched(t *testing.T) {
	t.Helper()
	for _, dir := range []string{home, scratch} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != ".apptainer" { // Apptainer's own
				t.Errorf("%s holds %s", dir, e.Name())
			}
		}
	}
}

// A GGUF file outside of what a container shows is bound in, too.
func TestFileInAContainer(t *testing.T) {
	j := newJob(t, "apptainer exec "+folder+" ollama", "--gguf", gguf, "--deadline", "none")
	j.Env = append(j.Env, "SLURM_JOB_ID=1", "SLURM_CPUS_PER_TASK=1") // the file cannot say num_thread 1, as the other tests' model does
	j.Own()
	j.Run(0)
	j.CheckRows(rows)
	checkUntouched(t)
}

// A server that has other settings than those of the run ends the run with the cause. Without namespaces it would be no better,
// so it is not started again.
func TestOtherSettings(t *testing.T) {
	for _, tt := range []struct{ name, command, want string }{
		{"option", "apptainer exec --env OLLAMA_NUM_PARALLEL=1 " + folder + " ollama", `OLLAMA_NUM_PARALLEL is "1", not "`},
		{"script", "./script", `OLLAMA_HOST is "http://0.0.0.0:11434", not "http://127.0.0.1:0"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, tt.command, "--ollama-models", models, "--batch-size", "4")
			script := "#!/bin/sh\nexport OLLAMA_HOST=0.0.0.0 APPTAINERENV_OLLAMA_HOST=0.0.0.0\nexec apptainer exec " + folder + " ollama \"$@\"\n"
			if err := writeFile(j.Path("script"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			j.Own()
			j.Run(82)
			text := j.Stderr.String()
			if !strings.Contains(text, tt.want) || !strings.Contains(text, "the command of --ollama replaces or drops") || strings.Contains(text, "once more") {
				t.Errorf("the message does not name the cause %s", tt.want)
			}
			checkUntouched(t)
		})
	}
}

// Apptainer's own failures are told as they are: with its exit code, and its words.
func TestNoImage(t *testing.T) {
	j := newJob(t, "apptainer exec /mnt/none.sif ollama", "--ollama-models", models)
	j.Own()
	j.Run(82)
	if text := j.Stderr.String(); !strings.Contains(text, "exit status 255") || !strings.Contains(text, "/mnt/none.sif: no such file") {
		t.Error("the message lacks Apptainer's exit code or reason")
	}
}

// plan tries the command, and not the kernel alone.
func TestPlanTriesTheCommand(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"apptainer exec " + folder + " ollama", "isolated: true, a server of this command started"},
		{"apptainer exec /mnt/none.sif ollama", "isolated: false, other users of the node could reach a server's port: the server ended: exit status 255"},
		{"apptainer exec /mnt/none.sif ollama", "; the last line of its log: FATAL: "},
	} {
		j := newJob(t, tt.command)
		j.Own()
		cmd := exec.Command(j.Binary, "plan", "--model", "bigram", "--context", "512", "--device", "cpu", "--ollama-models", models, "--ollama", tt.command)
		cmd.Dir, cmd.Env = j.Dir, append(os.Environ(), j.Env...)
		cmd.SysProcAttr = nobody
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %s; want %s", tt.command, err, out, tt.want)
		}
	}
}

// Apptainer's squashfuse_ll leaves the guard's process group. Without namespaces it outlives neither the run nor a killed guard.
func TestKilledGuardOfAContainer(t *testing.T) {
	j := newJob(t, "apptainer exec "+file+" ollama", "--ollama-models", models, "--isolate", "never")
	j.Own()
	var mount int
	j.HitInTheMiddle(syscall.SIGKILL, func() int {
		mount = squashfuse(t)
		return j.GuardPID()
	}, 0)
	await.Until(t, "the end of squashfuse_ll", func() bool {
		_, err := os.Stat("/proc/" + strconv.Itoa(mount))
		return os.IsNotExist(err)
	})
	j.CheckRows(rows)
	checkUntouched(t)
}

// squashfuse returns the process that serves the image file. Its environment does not tell whose it is.
func squashfuse(t *testing.T) (pid int) {
	t.Helper()
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		argv, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err == nil && statErr == nil && owner(info) == 65534 && strings.HasPrefix(string(argv), "/usr/bin/squashfuse_ll\x00") {
			found = append(found, filepath.Base(filepath.Dir(path)))
		}
	}
	if len(found) != 1 {
		t.Fatalf("processes of squashfuse_ll: %v, want one", found)
	}
	pid, _ = strconv.Atoi(found[0])
	return pid
}

func owner(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// The job script of the page works, on a cluster with modules and on the CPU.
func TestPageJobScriptInAContainer(t *testing.T) {
	blocks := harness.Blocks(t, harness.PageOfContainers, "bash")
	if len(blocks) != 1 {
		t.Fatalf("%d job scripts on the page, want one", len(blocks))
	}
	j := newJob(t, "unused")
	for name, text := range map[string]string{
		"job.sbatch": blocks[0], "bin/module": "#!/bin/sh\n", "bin/fluxworker": "#!/bin/sh\nexec '" + j.Binary + "' \"$@\"\n",
	} {
		if err := writeFile(j.Path(name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(folder, j.Path("ollama.sif")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(j.Path("models"), os.DirFS(models)); err != nil {
		t.Fatal(err)
	}
	library := j.Path("models/manifests/registry.ollama.ai/library/")
	if err := copyFile(library+"/bigram/latest", library+"/llama3.2/3b"); err != nil {
		t.Fatal(err)
	}
	j.Own()
	job := exec.Command("sh", "job.sbatch")
	job.Dir, job.Env = j.Dir, append(os.Environ(), j.Env...)
	job.Env = append(job.Env, "PATH="+j.Path("bin")+":/usr/bin", "FLUXWORKER_DEVICE=cpu", "FLUXWORKER_CONTEXT=512")
	job.SysProcAttr = nobody
	if out, err := job.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	j.CheckRows(rows)
}

var nobody = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
