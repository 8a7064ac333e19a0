package ollama

import (
	"os"
	"path/filepath"
	"testing"
)

func TestContainerVariables(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"home/models", "scratch", "disk/blobs", "models/manifests", "a,b", "gguf"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"models/blobs": "disk/blobs", "link": "models", "u": "home"} {
		if err := os.Symlink(at(to), at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("gguf/m.gguf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	home := "HOME=" + at("home")
	both := at("home") + "," + at("scratch")
	for _, tt := range []struct {
		name     string
		job      []string
		settings Settings
		variable string
		want     string
	}{
		{"folders", []string{home}, Settings{Models: at("models")}, "APPTAINER_BIND", both + "," + at("models") + "," + at("disk/blobs")},
		{"the other name", []string{home}, Settings{Models: at("models")}, "SINGULARITY_BIND", both + "," + at("models") + "," + at("disk/blobs")},
		{"by a link", []string{home}, Settings{Models: at("link")}, "APPTAINER_BIND", both + "," + at("models") + "," + at("disk/blobs")},
		{"in the home folder", []string{home}, Settings{Models: at("home/models")}, "APPTAINER_BIND", both},
		{"not there", []string{home}, Settings{Models: at("none")}, "APPTAINER_BIND", both},
		{"cannot be named", []string{home}, Settings{Models: at("a,b")}, "APPTAINER_BIND", both},
		{"home by a link", []string{"HOME=" + at("u")}, Settings{Models: at("none")}, "APPTAINER_BIND", at("u") + "," + both},
		{"home is the root", []string{"HOME=/"}, Settings{Models: at("models")}, "APPTAINER_BIND", at("scratch") + "," + at("models") + "," + at("disk/blobs")},
		{"a file", []string{home}, Settings{Models: at("scratch"), File: &File{Path: at("gguf/m.gguf")}}, "APPTAINER_BIND", both + "," + at("gguf/m.gguf")},
		{"beside the user's", []string{home, "APPTAINER_BIND=/a:/b:ro"}, Settings{Models: at("none")}, "APPTAINER_BIND", "/a:/b:ro," + both},
		{"beside those of the other name", []string{home, "SINGULARITY_BIND=/a"}, Settings{Models: at("none")}, "APPTAINER_BIND", "/a," + both},
		{"two names", []string{home, "SINGULARITY_BIND=/a", "APPTAINER_BIND=/b"}, Settings{Models: at("none")}, "SINGULARITY_BIND", "/a," + both},
		{"home", []string{home}, Settings{}, "APPTAINER_HOME", at("scratch")},
		{"the user's home", []string{home, "SINGULARITY_HOME=/u"}, Settings{}, "APPTAINER_HOME", "/u"},
		{"a setting", []string{home}, Settings{Slots: 7}, "APPTAINERENV_OLLAMA_NUM_PARALLEL", "7"},
		{"a setting that a shell would change", []string{home}, Settings{Models: "/a$(b)`c`\\d"}, "SINGULARITYENV_OLLAMA_MODELS", "/a\\$(b)\\`c\\`\\\\d"},
	} {
		tt.settings.Home = at("scratch")
		if got := lookup(environment(tt.job, tt.settings), tt.variable); got != tt.want {
			t.Errorf("%s: %s is %q, want %q", tt.name, tt.variable, got, tt.want)
		}
	}
}
