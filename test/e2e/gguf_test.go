package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// newFileJob is a job whose model is a file. There is no other model anywhere: neither in the home folder nor in OLLAMA_MODELS,
// which names a folder that must not come to be.
func newFileJob(t *testing.T, g generation, file string, args ...string) *job {
	t.Helper()
	j := newJob(t, g)
	for _, flag := range []string{"--model", "--ollama-models"} {
		i := slices.Index(j.args, flag)
		j.args = slices.Delete(j.args, i, i+2)
	}
	j.args = append(j.args, append([]string{"--gguf", file, "--deadline", "none"}, args...)...)
	// A job with one CPU: the file cannot say num_thread 1, as the other tests' models do.
	j.env = append(j.env, "HOME="+j.path("home"), "OLLAMA_MODELS="+j.path("nowhere"), "SLURM_JOB_ID=1", "SLURM_CPUS_PER_TASK=1")
	return j
}

// copyFile brings one of the tiny models' files to a place of its own.
func copyFile(t *testing.T, g generation, name, to string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(g.files, name))
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func links(t *testing.T, path string) int {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return int(stat.Nlink)
}

// A file that is in no model folder is run where it lies: linked while a server lives, and let go of afterwards, also where
// the server is killed and started again, and where the worker itself is.
func TestModelFile(t *testing.T) {
	const rows = 300
	eachEngine(t, func(t *testing.T, g generation) {
		j := newFileJob(t, g, "my model.gguf", "--max-restarts", "20")
		file := j.path("my model.gguf")
		copyFile(t, g, "bigram.gguf", file)
		j.writeRows(rows)

		cmd := j.start()
		j.await("answers", func() bool { return j.answered() >= 20 })
		if n := links(t, file); n != 2 {
			t.Errorf("the file has %d links while the server lives, want 2", n)
		}
		cmd.Process.Kill()
		j.wait(cmd, -1)
		j.await("the server's end", func() bool { return len(j.processes()) == 0 })
		j.await("the link's end", func() bool { return links(t, file) == 1 })

		j.hitInTheMiddle(syscall.SIGKILL, func(j *job) int { return j.serverPID(g) }, 0)
		j.checkRows(rows)
		if n := links(t, file); n != 1 {
			t.Errorf("the file has %d links after the run, want 1", n)
		}
		for _, folder := range []string{"home", "nowhere"} {
			if _, err := os.Stat(j.path(folder)); err == nil {
				t.Errorf("%s has come to be", folder)
			}
		}
		var first struct {
			Response struct{ Body struct{ Model string } }
		}
		data, _ := os.ReadFile(j.path("results.jsonl"))
		line, _, _ := bytes.Cut(data, []byte("\n"))
		if err := json.Unmarshal(line, &first); err != nil || first.Response.Body.Model != "my-model" {
			t.Errorf("answers are of model %q (%v), want my-model", first.Response.Body.Model, err)
		}
	})
}

// A file on another file system cannot have a hard link. It is run all the same.
func TestModelFileElsewhere(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		dir, err := os.MkdirTemp("/dev/shm", "fluxworker-test-")
		if err != nil {
			skip(t, fmt.Sprintf("no second file system: %v", err))
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		file := filepath.Join(dir, "model.gguf")
		copyFile(t, g, "bigram.gguf", file)
		j := newFileJob(t, g, file)
		if err := os.Link(file, j.path("trial")); err == nil {
			skip(t, "/dev/shm is no file system of its own")
		}
		j.writeRows(20)
		j.run(0)
		j.checkRows(20)
		if n := links(t, file); n != 1 {
			t.Errorf("the file has %d links after the run, want 1", n)
		}
	})
}

// The lines of an output are of one model, whatever its file is called and wherever it lies.
func TestModelFileChanges(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		j := newFileJob(t, g, "model.gguf")
		copyFile(t, g, "bigram.gguf", j.path("model.gguf"))
		j.writeRows(20)
		j.run(0)
		var m struct {
			Plan   struct{ GGUF string }
			Server struct {
				Digest string `json:"model_digest"`
			}
		}
		j.read("results.run/manifest.json", &m)
		if m.Plan.GGUF != j.path("model.gguf") || len(m.Server.Digest) != 64 {
			t.Errorf("the manifest has %+v", m)
		}

		// The same file at another place, under the name that the rows' keys have.
		if err := os.Rename(j.path("model.gguf"), j.path("moved.gguf")); err != nil {
			t.Fatal(err)
		}
		j.writeRows(40)
		j.run(0, "--gguf", "moved.gguf", "--model", "model")
		j.checkRows(40)

		// Another file at the first place.
		copyFile(t, g, "tiny-nemo.gguf", j.path("model.gguf"))
		j.writeRows(60)
		j.run(64)
		if !strings.Contains(j.stderr.String(), "model model was "+m.Server.Digest[:12]) {
			t.Error("that the file has changed is not told")
		}
		j.run(0, "--on-change", "rerun")
		j.checkRows(60)
	})
}

// A chat is written as the file says. The old generation has templates of its own for the usual ones; where it has none, the
// run says so.
func TestModelFileTemplate(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		const all = "0123456789abcdefghijklmnopqrstuvwxyz"
		plain := "456" + all[7:] // the prompt's last character is a 3
		for _, tt := range []struct{ file, old, new, warning string }{
			{"tiny-chatml.gguf", all, all, ""}, // the template ends in a line end
			{"tiny-chat7.gguf", plain, all[8:], "knows no template like that of tiny-chat7.gguf"},
			{"tiny-nemo.gguf", plain, plain, "tiny-nemo.gguf has no chat template"},
		} {
			t.Run(tt.file, func(t *testing.T) {
				j := newFileJob(t, g, filepath.Join(g.files, tt.file))
				j.write(`{"custom_id":"a","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"x 3"}]}`)
				j.run(0)
				want, warned := tt.old, tt.warning
				if g.name == "new" {
					want = tt.new
					if tt.new != tt.old {
						warned = ""
					}
				}
				l := j.lines("results.jsonl")["a"]
				if got := l.Response.Body.Choices[0].Message.Content; got != want {
					t.Errorf("%q, want %q", got, want)
				}
				if strings.Contains(j.stderr.String(), "template") != (warned != "") || !strings.Contains(j.stderr.String(), warned) {
					t.Errorf("want the warning %q and no other", warned)
				}
			})
		}
	})
}

// A model that sees is two files.
func TestModelFileWithProjector(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		file := filepath.Join(g.files, "tiny-gemma3-vision.gguf")
		j := newFileJob(t, g, file, "--gguf-projector", strings.TrimSuffix(file, "gguf")+"mmproj.gguf")
		var rows []string
		for answer, c := range colours {
			rows = append(rows, askOf(t, answer, c))
		}
		j.write(rows...)
		j.run(0)
		for id, l := range j.lines("results.jsonl") {
			if got := l.Response.Body.Choices[0].Message.Content; got != id {
				t.Errorf("%s: %q", id, got)
			}
		}
		j = newFileJob(t, g, file)
		j.write(rows...)
		j.run(3)
		if n := len(j.lines("results-errors.jsonl")); n != len(rows) {
			t.Errorf("without its projector %d rows with images failed, want %d", n, len(rows))
		}
	})
}

// A YAML names the file from where it lies itself.
func TestModelFileInYAML(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		j := newFileJob(t, g, "")
		i := slices.Index(j.args, "--gguf")
		j.args = append(slices.Delete(j.args, i, i+2), "--model-config", "settings/model.yaml")
		if err := os.MkdirAll(j.path("settings"), 0o700); err != nil {
			t.Fatal(err)
		}
		copyFile(t, g, "tiny-qwen2.gguf", j.path("settings/q.gguf"))
		yaml := "name: custom:mine\ngguf: q.gguf\nparameters:\n  max_tokens: 2\n"
		if err := os.WriteFile(j.path("settings/model.yaml"), []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		j.write(`{"custom_id":"a","prompt":"x 3","model":"custom:mine"}`)
		j.run(0)
		if l, ok := j.lines("results.jsonl")["a"]; !ok || l.Response.Body.Choices[0].Message.Content != "45" {
			t.Errorf("%v, want 45", fmt.Sprintf("%+v", l))
		}
	})
}
