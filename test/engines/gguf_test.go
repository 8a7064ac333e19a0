package engines

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

	"fluxworker/test/await"
	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// newFileJob is a job whose model is a file. There is no other model anywhere: neither in the home folder nor in OLLAMA_MODELS,
// which names a folder that must not come to be.
func newFileJob(t *testing.T, g harness.Generation, file string, args ...string) *harness.Job {
	t.Helper()
	j := g.NewJob(t)
	for _, flag := range []string{"--model", "--ollama-models"} {
		i := slices.Index(j.Args, flag)
		j.Args = slices.Delete(j.Args, i, i+2)
	}
	j.Args = append(j.Args, append([]string{"--gguf", file, "--deadline", "none"}, args...)...)
	// A job with one CPU: the file cannot say num_thread 1, as the other tests' models do.
	j.Env = append(j.Env, "HOME="+j.Path("home"), "OLLAMA_MODELS="+j.Path("nowhere"), "SLURM_JOB_ID=1", "SLURM_CPUS_PER_TASK=1")
	return j
}

// copyFile brings one of the tiny models' files to a place of its own.
func copyFile(t *testing.T, g harness.Generation, name, to string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(g.Files, name))
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
	t.Parallel()
	const rows = 80
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := newFileJob(t, g, "my model.gguf", "--max-restarts", "20")
		file := j.Path("my model.gguf")
		copyFile(t, g, "bigram.gguf", file)
		j.WriteRows(rows)

		cmd, _ := j.StartFed(rows / 2)
		j.AwaitAnswers(10)
		if n := links(t, file); n != 2 {
			t.Errorf("the file has %d links while the server lives, want 2", n)
		}
		j.Kill(cmd)
		await.Until(j.T, "the link's end", func() bool { return links(t, file) == 1 })

		j.HitInTheMiddle(syscall.SIGKILL, j.ServerPID, 0)
		j.CheckRows(rows)
		if n := links(t, file); n != 1 {
			t.Errorf("the file has %d links after the run, want 1", n)
		}
		for _, folder := range []string{"home", "nowhere"} {
			if _, err := os.Stat(j.Path(folder)); err == nil {
				t.Errorf("%s has come to be", folder)
			}
		}
		var first struct {
			Response struct{ Body struct{ Model string } }
		}
		data, _ := os.ReadFile(j.Path("results.jsonl"))
		line, _, _ := bytes.Cut(data, []byte("\n"))
		if err := json.Unmarshal(line, &first); err != nil || first.Response.Body.Model != "my-model" {
			t.Errorf("answers are of model %q (%v), want my-model", first.Response.Body.Model, err)
		}
	})
}

// A file on another file system cannot have a hard link. It is run all the same.
func TestModelFileElsewhere(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		dir, err := os.MkdirTemp("/dev/shm", "fluxworker-test-")
		if err != nil {
			build.Missing(t, "no second file system: %v", err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		file := filepath.Join(dir, "model.gguf")
		copyFile(t, g, "bigram.gguf", file)
		j := newFileJob(t, g, file)
		if err := os.Link(file, j.Path("trial")); err == nil {
			build.Missing(t, "/dev/shm is no file system of its own")
		}
		j.WriteRows(20)
		j.Run(0)
		j.CheckRows(20)
		if n := links(t, file); n != 1 {
			t.Errorf("the file has %d links after the run, want 1", n)
		}
	})
}

// The lines of an output are of one model, whatever its file is called and wherever it lies.
func TestModelFileChanges(t *testing.T) {
	t.Parallel()
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		j := newFileJob(t, g, "model.gguf", "--temperature", "0")
		copyFile(t, g, "bigram.gguf", j.Path("model.gguf"))
		j.WriteRows(20)
		j.Run(0)
		var m struct {
			Plan   struct{ GGUF string }
			Server struct {
				Digest string `json:"model_digest"`
			}
		}
		j.Read("results.run/manifest.json", &m)
		if m.Plan.GGUF != j.Path("model.gguf") || len(m.Server.Digest) != 64 {
			t.Errorf("the manifest has %+v", m)
		}

		// The same file at another place, under the name that the rows' keys have.
		if err := os.Rename(j.Path("model.gguf"), j.Path("moved.gguf")); err != nil {
			t.Fatal(err)
		}
		j.WriteRows(40)
		j.Run(0, "--gguf", "moved.gguf", "--model", "model")
		j.CheckRows(40)

		// Another file at the first place.
		copyFile(t, g, "tiny-nemo.gguf", j.Path("model.gguf"))
		j.WriteRows(60)
		j.Run(64)
		if !strings.Contains(j.Stderr.String(), "model model was "+m.Server.Digest[:12]) {
			t.Error("that the file has changed is not told")
		}
		j.Run(0, "--on-change", "rerun")
		j.CheckRows(60)
	})
}

// A chat is written as the file says. The old generation has templates of its own for the usual ones; where it has none, the
// run says so.
func TestModelFileTemplate(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		const all = "0123456789abcdefghijklmnopqrstuvwxyz"
		plain := "456" + all[7:] // the prompt's last character is a 3
		for _, tt := range []struct{ file, old, new, warning string }{
			{"tiny-chatml.gguf", all, all, ""}, // the template ends in a line end
			{"tiny-chat7.gguf", plain, all[8:], "knows no template like that of tiny-chat7.gguf"},
			{"tiny-nemo.gguf", plain, plain, "tiny-nemo.gguf has no chat template"},
		} {
			t.Run(tt.file, func(t *testing.T) {
				j := newFileJob(t, g, filepath.Join(g.Files, tt.file), "--temperature", "0")
				j.Write(`{"custom_id":"a","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"x 3"}]}`)
				j.Run(0)
				want, warned := tt.old, tt.warning
				if g.Name == "new" {
					want = tt.new
					if tt.new != tt.old {
						warned = ""
					}
				}
				l := j.Lines("results.jsonl")["a"]
				if got := l.Response.Body.Choices[0].Message.Content; got != want {
					t.Errorf("%q, want %q", got, want)
				}
				if strings.Contains(j.Stderr.String(), "template") != (warned != "") || !strings.Contains(j.Stderr.String(), warned) {
					t.Errorf("want the warning %q and no other", warned)
				}
			})
		}
	})
}

// A model that sees is two files.
func TestModelFileWithProjector(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		file := filepath.Join(g.Files, "tiny-gemma3-vision.gguf")
		j := newFileJob(t, g, file, "--gguf-projector", strings.TrimSuffix(file, "gguf")+"mmproj.gguf", "--temperature", "0")
		var rows []string
		for answer, c := range colours {
			rows = append(rows, askOf(t, answer, c))
		}
		j.Write(rows...)
		j.Run(0)
		for id, l := range j.Lines("results.jsonl") {
			if got := l.Response.Body.Choices[0].Message.Content; got != id {
				t.Errorf("%s: %q", id, got)
			}
		}
		j = newFileJob(t, g, file)
		j.Write(rows...)
		j.Run(3)
		if n := len(j.Lines("results-errors.jsonl")); n != len(rows) {
			t.Errorf("without its projector %d rows with images failed, want %d", n, len(rows))
		}
	})
}

// A YAML names the file from where it lies itself.
func TestModelFileInYAML(t *testing.T) {
	t.Parallel()
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		j := newFileJob(t, g, "")
		i := slices.Index(j.Args, "--gguf")
		j.Args = append(slices.Delete(j.Args, i, i+2), "--model-config", "settings/model.yaml")
		if err := os.MkdirAll(j.Path("settings"), 0o700); err != nil {
			t.Fatal(err)
		}
		copyFile(t, g, "tiny-qwen2.gguf", j.Path("settings/q.gguf"))
		yaml := "name: custom:mine\ngguf: q.gguf\nparameters:\n  max_tokens: 2\n"
		if err := os.WriteFile(j.Path("settings/model.yaml"), []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		j.Write(`{"custom_id":"a","prompt":"x 3","model":"custom:mine"}`)
		j.Run(0)
		if l, ok := j.Lines("results.jsonl")["a"]; !ok || l.Response.Body.Choices[0].Message.Content != "45" {
			t.Errorf("%v, want 45", fmt.Sprintf("%+v", l))
		}
	})
}
